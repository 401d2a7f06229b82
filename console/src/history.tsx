// The runs of this page, the latest first. They are gone when it is closed.

import type { Values } from "./inputs";
import type { Run } from "./result";

/** A run that has ended, with what the form held. */
export interface Past extends Run {
  values: Values;
}

export function History({ runs, onSelect }: { runs: Past[]; onSelect: (run: Past) => void }) {
  if (!runs.length)
    return <p class="empty">The runs of this page are listed here until you close it.</p>;
  return (
    <ul class="history">
      {runs.map((run) => (
        <li key={run.id}>
          <button type="button" onClick={() => onSelect(run)}>
            <span class={`pill ${run.envelope?.ok ? "good" : "bad"}`}>
              {run.envelope?.ok ? "OK" : run.envelope?.error?.code}
            </span>
            <span>{run.label}</span>
            <small>
              {run.start.toLocaleTimeString()} · {run.connection}
              {run.envelope?.meta && ` · ${run.envelope.meta.durationMs.toLocaleString("en")} ms`}
            </small>
          </button>
        </li>
      ))}
    </ul>
  );
}
