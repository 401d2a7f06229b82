// The run that is under way and those that have ended.

import { useRef, useState } from "preact/hooks";

import type { Ask } from "./api";
import type { Past } from "./history";
import type { Values } from "./inputs";
import type { Run } from "./result";
import { payload, type Call } from "./snippets";
import type { Action, Envelope } from "./types";

interface Start {
  action: Action;
  call: Call;
  /** The name of the connection, to show. */
  connection: string;
  /** What the form holds, for the history. */
  values: Values;
}

export function useRuns(ask: Ask) {
  const [shown, setShown] = useState<Run | null>(null);
  const [history, setHistory] = useState<Past[]>([]);
  const [isRunning, setRunning] = useState(false);
  const aborter = useRef<AbortController | null>(null);
  const count = useRef(0);

  /** Run an action and show how it goes. Return its envelope, undefined if a token is needed. */
  const start = async ({
    action,
    call,
    connection,
    values,
  }: Start): Promise<Envelope | undefined> => {
    aborter.current = new AbortController();
    let run: Run = {
      id: ++count.current,
      action: action.key,
      label: action.label,
      outputPath: action.outputPath,
      connection,
      start: new Date(),
      texts: [],
      envelope: null,
    };
    const update = (change: Partial<Run>) => {
      run = { ...run, ...change };
      setShown((old) => (old?.id === run.id ? run : old)); // meanwhile another one may be shown
    };
    const onEvent = ({ index = 0, text = "" }) => {
      const texts = [...run.texts];
      texts[index] = (texts[index] ?? "") + text;
      update({ texts });
    };
    setShown(run);
    setRunning(true);
    const path = `v1/actions/${action.key}`;
    const { signal } = aborter.current;
    const envelope = await ask(path, payload(call), signal, action.streams ? onEvent : undefined);
    setRunning(false);
    if (envelope) {
      update({ envelope });
      setHistory((past) => [{ ...run, values }, ...past]);
    } else {
      setShown(null);
    }
    return envelope;
  };

  return { shown, setShown, history, isRunning, start, cancel: () => aborter.current?.abort() };
}
