// The page: actions, connection and form, and what came of them.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { get, hasToken, post, Unauthorized } from "./api";
import { ConnectionPanel, type Choice } from "./connection";
import { onAnnounce } from "./copy";
import { fieldId, Fields } from "./form";
import { inputsOf, payloadInputs, schemaOf, toValue, type Value, type Values } from "./inputs";
import { Inline } from "./markdown";
import { Preview } from "./preview";
import { Result, type Run } from "./result";
import { masked, payload, type Call } from "./snippets";
import { Tabs } from "./tabs";
import { TokenDialog } from "./token";
import type { Action, Connection, Envelope, Manifest, Problem, Schema, Setup } from "./types";

export interface Server {
  manifest: Manifest;
  names: string[];
  setup: Setup;
}

interface Past extends Run {
  values: Values;
}

const PREVIEW_DELAY_MS = 300;

export function App() {
  const [server, setServer] = useState<Server | null>(null);
  const [needsToken, setNeedsToken] = useState(false);
  const [problem, setProblem] = useState("");
  const load = async () => {
    try {
      const [manifest, names, setup] = await Promise.all([
        get<Manifest>("v1/actions"),
        get<string[]>("v1/connections"),
        get<Setup>("v1/console"),
      ]);
      setServer({ manifest, names, setup });
      setNeedsToken(false);
      setProblem("");
    } catch (error) {
      if (error instanceof Unauthorized) setNeedsToken(true);
      else setProblem((error as Error).message);
    }
  };
  useEffect(() => void load(), []);
  return (
    <>
      {needsToken && <TokenDialog onToken={load} />}
      {server ? (
        <Console server={server} onUnauthorized={() => setNeedsToken(true)} />
      ) : (
        <main class="start">
          {problem ? (
            <div class="box error" role="alert">
              <p>The connector cannot be reached. {problem}</p>
              <button type="button" onClick={() => void load()}>Try again</button>
            </div>
          ) : (
            <p class="comments">Loading…</p>
          )}
        </main>
      )}
    </>
  );
}

function Console({ server, onUnauthorized }: { server: Server; onUnauthorized: () => void }) {
  const { manifest, names, setup } = server;
  const action = useAction(manifest);
  const schema = useSchema(action.key);
  const inputs = inputsOf(action);
  const [forms, setForms] = useState<Record<string, Values>>({});
  const values = forms[action.key] ?? {};
  const [choice, setChoice] = useState<Choice>({
    name: names.find((name) => name !== setup.sandbox) ?? names[0] ?? null,
    key: manifest.connections[0]!.key,
    fields: {},
  });
  const [tab, setTab] = useState("result");
  const [run, setRun] = useState<Run | null>(null);
  const [history, setHistory] = useState<Past[]>([]);
  const [preview, setPreview] = useState<Envelope | null>(null);
  const [problems, setProblems] = useState<{ action: string; rows: Problem[] }>({ action: "", rows: [] });
  const [said, setSaid] = useState("");
  const cancel = useRef<AbortController | null>(null);
  const panel = useRef<HTMLElement>(null);
  const [toast, setToast] = useState("");
  useEffect(() => onAnnounce(setToast), []);
  useEffect(() => {
    const timer = setTimeout(() => setToast(""), 4000);
    return () => clearTimeout(timer);
  }, [toast]);

  const connection = connectionOf(choice, server);
  const identity = JSON.stringify(connection);
  const call: Call = { action: action.key, connection, inputs: payloadInputs(inputs, schema ?? {}, values) };
  const rows = problems.action === action.key ? problems.rows : [];
  const isRunning = run !== null && run.envelope === null;

  /** Ask the server; where it wants its token, ask for that and answer undefined. */
  const ask = async (...request: Parameters<typeof post>): Promise<Envelope | undefined> => {
    try {
      return await post(...request);
    } catch (error) {
      if (!(error instanceof Unauthorized)) throw error;
      onUnauthorized();
      return undefined;
    }
  };

  const loaders = useMemo(() => {
    const made = new Map<string, () => Promise<string[]>>();
    return (source: string) => {
      const load = async () => {
        const envelope = await ask(`v1/options/${source}`, { connection });
        if (!envelope?.ok) throw new Error(envelope?.error?.message ?? "The server wants its token.");
        return (envelope.data as { key: string }[]).map((row) => row.key);
      };
      if (!made.has(source)) made.set(source, load);
      return made.get(source)!;
    };
  }, [identity]);

  const text = JSON.stringify(call);
  useEffect(() => {
    if (tab !== "preview" || !schema) return undefined;
    const aborted = new AbortController();
    const timer = setTimeout(async () => {
      const envelope = await ask(`v1/actions/${action.key}/dry-run`, payload(call), aborted.signal);
      if (!envelope || aborted.signal.aborted) return;
      setPreview(envelope);
      setProblems({ action: action.key, rows: envelope.error?.details ?? [] });
    }, preview ? PREVIEW_DELAY_MS : 0);
    return () => {
      clearTimeout(timer);
      aborted.abort();
    };
  }, [tab, text, schema]);

  const start = async () => {
    if (isRunning || !connection) return;
    const aborter = new AbortController();
    cancel.current = aborter;
    let current: Run = {
      id: history.length + 1,
      action: action.key,
      label: action.label,
      outputPath: action.outputPath,
      connection: choice.name ?? "a key of my own",
      start: new Date(),
      texts: [],
      envelope: null,
    };
    const update = (change: Partial<Run>) => {
      current = { ...current, ...change };
      setRun(current);
    };
    update({});
    setTab("result");
    setProblems({ action: action.key, rows: [] });
    setSaid("Running");
    if (matchMedia("(max-width: 1179px)").matches) panel.current?.scrollIntoView(); // it is below
    const envelope = await ask(
      `v1/actions/${action.key}`,
      payload(call),
      aborter.signal,
      action.streams
        ? ({ index = 0, text: piece = "" }) => {
            const texts = [...current.texts];
            texts[index] = (texts[index] ?? "") + piece;
            update({ texts });
          }
        : undefined,
    );
    if (!envelope) {
      setRun(null);
      return;
    }
    update({ envelope });
    setHistory((past) => [{ ...current, values }, ...past]);
    setProblems({ action: action.key, rows: envelope.error?.details ?? [] });
    setSaid(envelope.ok ? "Done" : `Failed: ${envelope.error?.message ?? ""}`);
  };

  const show = ({ path }: Problem) => {
    const [, where = "", key = "", field = ""] = path.split("/");
    const id = where === "inputs" ? fieldId("/inputs", key) : fieldId("/connection/fields", field);
    const element = document.getElementById(id) ?? document.getElementById("connection");
    element?.closest("details")?.setAttribute("open", "");
    element?.focus();
  };

  const setValues = (next: Values) => setForms((old) => ({ ...old, [action.key]: next }));
  const forget = (at: string, key: string) =>
    setProblems((old) => ({ ...old, rows: old.rows.filter((row) => !`${row.path}/`.startsWith(`${at}/${key}/`)) }));

  return (
    <div
      class="layout"
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void start();
      }}
    >
      <Sidebar manifest={manifest} selected={action.key} />
      <main>
        <header>
          <h1 id="title" tabIndex={-1}>{action.label}</h1>
          <p>{action.description}</p>
        </header>
        <ConnectionPanel
          names={names}
          setup={setup}
          kinds={manifest.connections}
          choice={choice}
          connection={connection}
          problems={rows}
          onChoice={setChoice}
          onField={(key, value) => {
            setChoice((old) => ({ ...old, fields: changed(old.fields, key, value) }));
            forget("/connection/fields", key);
          }}
          test={async () => {
            const envelope = (await ask("v1/connection/test", { connection })) ?? { ok: false };
            setProblems({ action: action.key, rows: envelope.error?.details ?? [] });
            return envelope;
          }}
          onProblem={show}
        />
        <form
          class="card"
          noValidate
          aria-labelledby="inputs-title"
          onSubmit={(event) => {
            event.preventDefault();
            void start();
          }}
        >
          <div class="line">
            <h2 id="inputs-title">Inputs</h2>
            {schema && <Examples action={action} schema={schema} onValues={setValues} />}
          </div>
          {schema ? (
            <Fields
              key={action.key}
              inputs={inputs}
              schema={schema}
              values={values}
              problems={rows}
              at="/inputs"
              onValue={(key, value) => {
                setValues(changed(values, key, value));
                forget("/inputs", key);
              }}
              loadOptions={loaders}
            />
          ) : (
            <p class="comments">Loading…</p>
          )}
          <div class="actions">
            {isRunning ? (
              // A key of its own: the button that a click lands on must not become one that submits.
              <button key="cancel" type="button" class="primary" onClick={() => cancel.current?.abort()}>Cancel</button>
            ) : (
              <button key="run" type="submit" class="primary" disabled={!connection || !schema} title="Ctrl+Enter">Run</button>
            )}
            <button type="button" disabled={!schema} onClick={() => setTab("preview")}>Preview</button>
            {Object.keys(values).length > 0 && (
              <button type="button" class="link" onClick={() => setValues({})}>Clear<span class="unseen"> the form</span></button>
            )}
          </div>
          {action.billing && (
            <p class="comments"><strong>Billed:</strong> <Inline text={action.billing} /></p>
          )}
        </form>
      </main>
      <section class="panel" ref={panel} aria-label="Result, preview, history">
        <Tabs
          label="Show"
          tabs={{ result: "Result", preview: "Preview", history: history.length ? `History (${history.length})` : "History" }}
          selected={tab}
          onSelect={setTab}
        >
          {tab === "result" &&
            (run ? (
              <>
                <p class="comments">{run.label}, {run.start.toLocaleTimeString()}, {run.connection}</p>
                <Result run={run} onProblem={show} />
              </>
            ) : (
              <p class="empty">
                Press <strong>Run</strong> to see the result here, or <strong>Preview</strong> to see the
                request without sending it.
              </p>
            ))}
          {tab === "preview" && (
            <Preview call={masked(call, manifest)} sandbox={setup.sandbox} envelope={preview} onProblem={show} />
          )}
          {tab === "history" && (
            <History
              runs={history}
              onSelect={(past) => {
                setRun(past);
                setForms((old) => ({ ...old, [past.action]: past.values }));
                location.hash = past.action;
                setTab("result");
              }}
            />
          )}
        </Tabs>
      </section>
      <div class="unseen" role="status">{said}</div>
      <div class={toast ? "toast" : "unseen"} role="status">{toast}</div>
    </div>
  );
}

function Sidebar({ manifest, selected }: { manifest: Manifest; selected: string }) {
  const narrow = useMemo(() => matchMedia("(max-width: 719px)").matches, []);
  return (
    <nav class="sidebar" aria-label="Actions">
      <a
        class="skip"
        href="#title"
        onClick={(event) => {
          event.preventDefault(); // the address names the action
          document.getElementById("title")?.focus();
        }}
      >
        Skip to the form
      </a>
      <div class="brand">
        <img src="v1/icon" alt="" width="36" height="36" />
        <span>{manifest.label}</span>
      </div>
      <details open={!narrow}>
        <summary>Actions</summary>
        <ul>
          {manifest.actions.map(({ key, label }) => (
            <li key={key}>
              <a
                href={`#${key}`}
                aria-current={key === selected ? "page" : undefined}
                onClick={(event) => {
                  if (narrow) event.currentTarget.closest("details")!.open = false;
                }}
              >
                {label}
              </a>
            </li>
          ))}
        </ul>
      </details>
      <p class="version">
        Version {manifest.runtimeVersion} ·{" "}
        {!hasToken() && <><a href="openapi.json">OpenAPI</a> · </>}
        <a href="console/licences.txt">Licences</a>
      </p>
    </nav>
  );
}

function Examples({ action, schema, onValues }: { action: Action; schema: Schema; onValues: (values: Values) => void }) {
  if (!action.examples?.length) return null;
  return (
    <div class="examples">
      Example:
      {action.examples.map(({ name, inputs }) => (
        <button
          type="button"
          class="link"
          key={name}
          onClick={() => {
            const found: Values = {};
            for (const input of inputsOf(action)) {
              const value = toValue(input, schemaOf(input, schema), inputs[input.key]);
              if (value !== undefined) found[input.key] = value;
            }
            onValues(found);
          }}
        >
          {name}
        </button>
      ))}
    </div>
  );
}

function History({ runs, onSelect }: { runs: Past[]; onSelect: (run: Past) => void }) {
  if (!runs.length) return <p class="empty">The runs of this page are listed here until you close it.</p>;
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

function changed(values: Values, key: string, value: Value | undefined): Values {
  const { [key]: _, ...rest } = values;
  return value === undefined ? rest : { ...rest, [key]: value };
}

function connectionOf(choice: Choice, { manifest, setup }: Server): Connection | null {
  if (choice.name !== null) return choice.name;
  const kind = manifest.connections.find((row) => row.key === choice.key);
  if (!setup.inlineConnections || !kind) return null;
  return { key: kind.key, fields: payloadInputs(kind.fields, {}, choice.fields) };
}

/** The action that the address names, else the first one. */
function useAction(manifest: Manifest): Action {
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

function useSchema(key: string): Schema | null {
  const [schemas, setSchemas] = useState<Record<string, Schema>>({});
  useEffect(() => {
    if (schemas[key]) return;
    get<Schema>(`v1/actions/${key}/schema`)
      .catch((): Schema => ({})) // the manifest says enough to draw most of the form
      .then((schema) => setSchemas((old) => ({ ...old, [key]: schema })));
  }, [key]);
  return schemas[key] ?? null;
}
