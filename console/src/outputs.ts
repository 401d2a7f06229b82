// Finds in the data of a result what a person wants to see first: texts, images, files.

import { join } from "./tree";
import type { Json } from "./types";

export type Output =
  | { kind: "text"; path: string; text: string }
  | { kind: "file"; path: string; contentType: string; base64: string }
  | { kind: "link"; path: string; url: string };

const MOST = 20;

/** `outputPath` names the value that most flows use; each index of it stands for all. */
export function outputs(data: Json | undefined, outputPath: string | undefined): Output[] {
  if (data === undefined) return [];
  const found = files(data, "data");
  if (found.length === 0 && outputPath) found.push(...texts(data, outputPath));
  return found.slice(0, MOST);
}

function texts(data: Json, outputPath: string): Output[] {
  let rows: [string, Json | undefined][] = [["data", data]];
  for (const [, key, index] of outputPath.slice("data".length).matchAll(/\.(\w+)|\[(\d+)\]/g)) {
    rows = rows.flatMap(([path, value]): [string, Json | undefined][] => {
      if (index !== undefined) {
        if (!Array.isArray(value)) return [];
        return value.map((item, at): [string, Json] => [join(path, at), item]);
      }
      const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
      return isObject ? [[join(path, key!), value[key!]]] : [];
    });
  }
  return rows.flatMap(([path, text]) =>
    typeof text === "string" && text !== "" ? [{ kind: "text" as const, path, text }] : [],
  );
}

function files(value: Json, path: string): Output[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => files(item, join(path, index)));
  if (typeof value !== "object" || value === null) return [];
  const { contentType, encoding, data, b64_json, url } = value;
  if (typeof contentType === "string") {
    if (typeof b64_json === "string")
      return [{ kind: "file", path: join(path, "b64_json"), contentType, base64: b64_json }];
    if (encoding === "base64" && typeof data === "string")
      return [{ kind: "file", path: join(path, "data"), contentType, base64: data }];
    if (typeof url === "string" && /^https?:/.test(url))
      return [{ kind: "link", path: join(path, "url"), url }];
  }
  return Object.entries(value).flatMap(([key, item]) => files(item, join(path, key)));
}
