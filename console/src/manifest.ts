// What is known of the chosen action.

import { useEffect, useState } from "preact/hooks";

import { get } from "./api";
import type { Action, Manifest, Schema } from "./types";

/** The action that the address names, else the first one. */
export function useAction(manifest: Manifest): Action {
  const [key, setKey] = useState(location.hash.slice(1));
  useEffect(() => {
    const follow = () => setKey(location.hash.slice(1));
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  const action = manifest.actions.find((row) => row.key === key) ?? manifest.actions[0]!;
  useEffect(() => {
    document.title = `${action.label} – ${manifest.label}`;
  }, [action]);
  return action;
}

export function useSchema(key: string): Schema | null {
  const [schemas, setSchemas] = useState<Record<string, Schema>>({});
  useEffect(() => {
    if (schemas[key]) return;
    get<Schema>(`v1/actions/${key}/schema`)
      .catch((): Schema => ({})) // the manifest says enough to draw most of the form
      .then((schema) => setSchemas((old) => ({ ...old, [key]: schema })));
  }, [key]);
  return schemas[key] ?? null;
}
