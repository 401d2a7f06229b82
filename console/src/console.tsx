// The console: actions, connection and form, and what came of them.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { post, Unauthorized, type Ask } from "./api";
import { ConnectionPanel, connectionOf, type Choice } from "./connection";
import { onAnnounce } from "./copy";
import { Examples } from "./examples";
import { fieldId, Fields } from "./form";
import { History } from "./history";
import { changed, inputsOf, payloadInputs, type Values } from "./inputs";
import { useAction, useSchema } from "./manifest";
import { Inline } from "./markdown";
import { Preview, useDryRun } from "./preview";
import { Result } from "./result";
import { useRuns } from "./runs";
import { Sidebar } from "./sidebar";
import { masked, type Call } from "./snippets";
import { Tabs } from "./tabs";
import type { Envelope, Manifest, Problem, Setup } from "./types";

export interface Server {
  manifest: Manifest;
  names: string[];
  setup: Setup;
}

export function Console({
  server,
  onUnauthorized,
}: {
  server: Server;
  onUnauthorized: () => void;
}) {
  const { manifest, names, setup } = server;
  const action = useAction(manifest);
  const schema = useSchema(action.key);
  const inputs = inputsOf(action);
  const [forms, setForms] = useState<Record<string, Values>>({});
  const values = forms[action.key] ?? {};
  const [choice, setChoice] = useState<Choice>({
    name: names.find((name) => name !== setup.sandbox?.name) ?? names[0] ?? null,
    key: manifest.connections[0]!.key,
    fields: {},
  });
  const [tab, setTab] = useState("result");
  const [problems, setProblems] = useState<{ action: string; rows: Problem[] }>({
    action: "",
    rows: [],
  });
  const [said, setSaid] = useState("");
  const panel = useRef<HTMLElement>(null);
  const [toast, setToast] = useState("");
  useEffect(() => onAnnounce(setToast), []);
  useEffect(() => {
    const timer = setTimeout(() => setToast(""), 4000);
    return () => clearTimeout(timer);
  }, [toast]);

  const connection = connectionOf(choice, manifest, setup);
  const identity = JSON.stringify(connection);
  const call: Call = {
    action: action.key,
    connection,
    inputs: payloadInputs(inputs, schema ?? {}, values),
  };
  const rows = problems.action === action.key ? problems.rows : [];

  const ask: Ask = async (...request) => {
    try {
      return await post(...request);
    } catch (error) {
      if (!(error instanceof Unauthorized)) throw error;
      onUnauthorized();
      return undefined;
    }
  };
  const runs = useRuns(ask);
  const { shown: run, history, isRunning } = runs;

  const loaders = useMemo(() => {
    const made = new Map<string, () => Promise<string[]>>();
    return (source: string) => {
      const load = async () => {
        const envelope = await ask(`v1/options/${source}`, { connection });
        if (!envelope?.ok)
          throw new Error(envelope?.error?.message ?? "The server wants its token.");
        return (envelope.data as { key: string }[]).map((row) => row.key);
      };
      if (!made.has(source)) made.set(source, load);
      return made.get(source)!;
    };
  }, [identity]);

  const setDetails = (envelope: Envelope) =>
    setProblems({ action: action.key, rows: envelope.error?.details ?? [] });
  const dryRun = useDryRun(tab === "preview" && schema !== null, call, ask, setDetails);

  const start = async () => {
    if (isRunning || !connection) return;
    setTab("result");
    setProblems({ action: action.key, rows: [] });
    setSaid("Running");
    if (matchMedia("(max-width: 1179px)").matches) panel.current?.scrollIntoView(); // it is below
    const name = choice.name ?? "a key of my own";
    const envelope = await runs.start({ action, call, connection: name, values });
    if (!envelope) return;
    setDetails(envelope);
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
    setProblems((old) => ({
      ...old,
      rows: old.rows.filter((row) => !`${row.path}/`.startsWith(`${at}/${key}/`)),
    }));

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
          <h1 id="title" tabIndex={-1}>
            {action.label}
          </h1>
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
            setDetails(envelope);
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
              <button key="cancel" type="button" class="primary" onClick={runs.cancel}>
                Cancel
              </button>
            ) : (
              <button
                key="run"
                type="submit"
                class="primary"
                disabled={!connection || !schema}
                title="Ctrl+Enter"
              >
                Run
              </button>
            )}
            <button type="button" disabled={!schema} onClick={() => setTab("preview")}>
              Preview
            </button>
            {Object.keys(values).length > 0 && (
              <button type="button" class="link" onClick={() => setValues({})}>
                Clear<span class="unseen"> the form</span>
              </button>
            )}
          </div>
          {action.billing && (
            <p class="comments">
              <strong>Billed:</strong> <Inline text={action.billing} />
            </p>
          )}
        </form>
      </main>
      <section class="panel" ref={panel} aria-label="Result, preview, history">
        <Tabs
          label="Show"
          tabs={{
            result: "Result",
            preview: "Preview",
            history: history.length ? `History (${history.length})` : "History",
          }}
          selected={tab}
          onSelect={setTab}
        >
          {tab === "result" &&
            (run ? (
              <>
                <p class="comments">
                  {run.label}, {run.start.toLocaleTimeString()}, {run.connection}
                </p>
                <Result run={run} onProblem={show} />
              </>
            ) : (
              <p class="empty">
                Press <strong>Run</strong> to see the result here, or <strong>Preview</strong> to
                see the request without sending it.
              </p>
            ))}
          {tab === "preview" && (
            <Preview
              call={masked(call, manifest)}
              sandbox={setup.sandbox}
              envelope={dryRun}
              onProblem={show}
            />
          )}
          {tab === "history" && (
            <History
              runs={history}
              onSelect={(past) => {
                runs.setShown(past);
                setForms((old) => ({ ...old, [past.action]: past.values }));
                location.hash = past.action;
                setTab("result");
              }}
            />
          )}
        </Tabs>
      </section>
      <div class="unseen" role="status">
        {said}
      </div>
      <div class={toast ? "toast" : "unseen"} role="status">
        {toast}
      </div>
    </div>
  );
}
