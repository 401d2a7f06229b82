// Which connection to use: one of the operator's by name, or a key that stays in this page.

import { useEffect, useState } from "preact/hooks";

import { Fields } from "./form";
import { payloadInputs, type Value, type Values } from "./inputs";
import { Markdown } from "./markdown";
import { ErrorBox } from "./result";
import type { Connection, Envelope, Kind, Manifest, Problem, Setup } from "./types";

/** What the page holds; `name` is null where `fields` of the kind `key` are used. */
export interface Choice {
  name: string | null;
  key: string;
  fields: Values;
}

interface Props {
  names: string[];
  setup: Setup;
  kinds: Kind[];
  choice: Choice;
  connection: Connection | null;
  problems: Problem[];
  onChoice: (choice: Choice) => void;
  onField: (key: string, value: Value | undefined) => void;
  test: () => Promise<Envelope>;
  onProblem: (problem: Problem) => void;
}

const INLINE = "\n"; // no name of a connection

export function ConnectionPanel(props: Props) {
  const { names, setup, kinds, choice, connection, problems, onChoice } = props;
  const [tested, setTested] = useState<Envelope | "running" | null>(null);
  const identity = JSON.stringify(connection);
  useEffect(() => setTested(null), [identity]);
  const check = async () => {
    setTested("running");
    setTested(await props.test());
  };
  const kind = kinds.find((row) => row.key === choice.key) ?? kinds[0]!;
  const { sandbox } = setup;
  if (!names.length && !setup.inlineConnections) {
    return (
      <section class="card">
        <h2>Connection</h2>
        <p class="box warning">
          This server has no connection. Start it with <code>connector serve --sandbox</code> to try
          it without a key, or with <code>--connections FILE</code>.
        </p>
      </section>
    );
  }
  return (
    <section class="card" aria-labelledby="connection-title">
      <h2 id="connection-title">
        <label for="connection">Connection</label>
      </h2>
      <div class="line">
        <select
          id="connection"
          value={choice.name ?? INLINE}
          onChange={({ currentTarget: { value } }) =>
            onChoice({ ...choice, name: value === INLINE ? null : value })
          }
        >
          {names.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
          {setup.inlineConnections && <option value={INLINE}>A key of my own…</option>}
        </select>
        <button
          type="button"
          disabled={!connection || tested === "running"}
          onClick={() => void check()}
        >
          Check connection
        </button>
      </div>
      <div aria-live="polite">
        {tested === "running" && <p class="comments">Checking…</p>}
        {tested && tested !== "running" && (
          <Verdicts envelope={tested} onProblem={props.onProblem} />
        )}
      </div>
      {sandbox && choice.name === sandbox.name && (
        <p class="comments">
          The sandbox is an offline provider: no key, no bill, and made-up answers.
        </p>
      )}
      {sandbox && choice.name !== sandbox.name && (
        <p class="comments">
          No key?{" "}
          <button
            type="button"
            class="link"
            onClick={() => onChoice({ ...choice, name: sandbox.name })}
          >
            Use the sandbox
          </button>
          , an offline provider.
        </p>
      )}
      {choice.name === null && (
        <form
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            void check();
          }}
        >
          <p class="comments">
            The key stays in the memory of this page and goes to this server only. It is gone when
            you close or reload the page.
          </p>
          {kinds.length > 1 && (
            <div class="field">
              <label for="connection-kind">Kind</label>
              <select
                id="connection-kind"
                value={kind.key}
                onChange={(event) =>
                  onChoice({ ...choice, key: event.currentTarget.value, fields: {} })
                }
              >
                {kinds.map((row) => (
                  <option key={row.key} value={row.key}>
                    {row.label}
                  </option>
                ))}
              </select>
            </div>
          )}
          {kind.documentation && (
            <details>
              <summary>How to get these</summary>
              <div class="prose">
                <Markdown text={kind.documentation} />
              </div>
            </details>
          )}
          <Fields
            inputs={kind.fields.filter((field) => !field.operatorOnly)}
            schema={{}}
            values={choice.fields}
            problems={problems}
            at="/connection/fields"
            onValue={props.onField}
            loadOptions={() => () => Promise.resolve([])}
          />
        </form>
      )}
    </section>
  );
}

function Verdicts({
  envelope,
  onProblem,
}: {
  envelope: Envelope;
  onProblem: (problem: Problem) => void;
}) {
  const data = envelope.data as Record<string, { verdict: string; message: string }> | undefined;
  return (
    <>
      {data && (
        <dl class="verdicts">
          {Object.entries(data).map(([name, { verdict, message }]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <span
                  class={`pill ${verdict === "ok" ? "good" : verdict === "failed" ? "bad" : ""}`}
                >
                  {verdict}
                </span>{" "}
                {message}
              </dd>
            </div>
          ))}
        </dl>
      )}
      {envelope.error && <ErrorBox envelope={envelope} onProblem={onProblem} />}
    </>
  );
}

/** Return what a payload says of the choice, null while there is none. */
export function connectionOf(choice: Choice, manifest: Manifest, setup: Setup): Connection | null {
  if (choice.name !== null) return choice.name;
  const kind = manifest.connections.find((row) => row.key === choice.key);
  if (!setup.inlineConnections || !kind) return null;
  return { key: kind.key, fields: payloadInputs(kind.fields, {}, choice.fields) };
}
