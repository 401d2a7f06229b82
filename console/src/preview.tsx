// What will be sent, and the same call for other tools.

import { useEffect, useState } from "preact/hooks";

import { hasToken, type Ask } from "./api";
import { copy } from "./copy";
import { pretty } from "./inputs";
import { ErrorBox } from "./result";
import * as snippets from "./snippets";
import { Tabs } from "./tabs";
import type { Envelope, Json, Problem, Sandbox } from "./types";

const DELAY_MS = 300;

/** Return the dry run of a call, again when that changes; null while there is none. */
export function useDryRun(
  isShown: boolean,
  call: snippets.Call,
  ask: Ask,
  onEnvelope: (envelope: Envelope) => void,
): Envelope | null {
  const [latest, setLatest] = useState<{ action: string; envelope: Envelope } | null>(null);
  const envelope = latest?.action === call.action ? latest.envelope : null;
  useEffect(() => {
    if (!isShown) return undefined;
    const aborted = new AbortController();
    const load = async () => {
      const path = `v1/actions/${call.action}/dry-run`;
      const answer = await ask(path, snippets.payload(call), aborted.signal);
      if (!answer || aborted.signal.aborted) return;
      setLatest({ action: call.action, envelope: answer });
      onEnvelope(answer);
    };
    const timer = setTimeout(() => void load(), envelope ? DELAY_MS : 0);
    return () => {
      clearTimeout(timer);
      aborted.abort();
    };
  }, [isShown, JSON.stringify(call)]);
  return envelope;
}

interface Props {
  call: snippets.Call;
  sandbox: Sandbox | null;
  /** The dry run; null until its answer is here. */
  envelope: Envelope | null;
  onProblem: (problem: Problem) => void;
}

interface Planned {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: Json;
}

export function Preview({ call, sandbox, envelope, onProblem }: Props) {
  const [shown, setShown] = useState("request");
  const base = new URL(".", location.href).href;
  const texts: Record<string, () => string> = {
    payload: () => `${pretty(snippets.payload(call))}\n`,
    curl: () => snippets.curl(call, base, hasToken()),
    shell: () => snippets.commandLine(call, sandbox),
    python: () => snippets.python(call, sandbox),
  };
  const labels = {
    request: "Request",
    payload: "Payload",
    curl: "curl",
    shell: "Command line",
    python: "Python",
  };
  return (
    <div class="preview">
      {envelope?.error && <ErrorBox envelope={envelope} onProblem={onProblem} />}
      <Tabs label="Preview as" tabs={labels} selected={shown} onSelect={setShown} small>
        {texts[shown] ? (
          <Code text={texts[shown]()} />
        ) : envelope?.ok ? (
          requests(envelope.data).map((planned, index) => <Code key={index} text={http(planned)} />)
        ) : (
          <p class="comments">
            {envelope ? "There is no request to show yet." : "Asking for the request…"}
          </p>
        )}
      </Tabs>
      <p class="comments">
        Secrets are shown as <code>***</code>. A preview sends nothing to the provider.
      </p>
    </div>
  );
}

function requests(data: Json | undefined): Planned[] {
  return (Array.isArray(data) ? data : [data]) as unknown as Planned[];
}

function http({ method, url, headers, body }: Planned): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\n`);
  const text =
    body === undefined || body === null ? "" : typeof body === "string" ? body : pretty(body);
  return `${method} ${url}\n${lines.join("")}${text && `\n${text}\n`}`;
}

function Code({ text }: { text: string }) {
  return (
    <div class="snippet">
      <button type="button" class="small" onClick={() => void copy(text, "the text")}>
        Copy
      </button>
      <pre tabIndex={0}>{text}</pre>
    </div>
  );
}
