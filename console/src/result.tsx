// What came of a run: texts and images first, then the facts, then the whole result as a tree.

import { useEffect, useState } from "preact/hooks";

import { size } from "./controls";
import { copy } from "./copy";
import { Inline } from "./markdown";
import { outputs, type Output } from "./outputs";
import { Tree } from "./tree";
import type { Envelope, Json, Meta, Problem } from "./types";

export interface Run {
  id: number;
  action: string;
  label: string;
  outputPath?: string | undefined;
  connection: string;
  start: Date;
  /** The texts that have arrived, by the index of their choice. */
  texts: string[];
  envelope: Envelope | null;
}

export function Result({ run, onProblem }: { run: Run; onProblem: (problem: Problem) => void }) {
  const { envelope } = run;
  if (!envelope) {
    return (
      <div class="result">
        <p class="status">
          <span class="spinner" /> {run.texts.length ? "Receiving…" : "Waiting for the answer…"}
          <Elapsed key={run.id} start={run.start} />
        </p>
        {run.texts.map((text, index) => (
          <Text key={index} text={text} />
        ))}
      </div>
    );
  }
  const found = outputs(envelope.data, run.outputPath);
  return (
    <div class="result">
      <p class="status">
        <span class={`pill ${envelope.ok ? "good" : "bad"}`}>{envelope.ok ? "OK" : "Failed"}</span>
        <Facts meta={envelope.meta} />
      </p>
      {envelope.error && <ErrorBox envelope={envelope} onProblem={onProblem} />}
      {envelope.meta?.warnings.map((text) => (
        <p class="box warning" key={text}>
          <strong>Warning.</strong> {text}
        </p>
      ))}
      {found.map((output) => (
        <Shown key={output.path} output={output} />
      ))}
      {!found.length &&
        envelope.data === undefined &&
        run.texts.map((text, index) => <Text key={index} text={text} />)}
      <h3>Result</h3>
      <p class="comments">Click a name to copy its path for the next step of a flow.</p>
      {envelope.data !== undefined && <Tree key={run.id} name="data" value={envelope.data} />}
      {envelope.error && <Tree name="error" value={envelope.error as unknown as Json} />}
      {envelope.meta && <Tree name="meta" closed value={envelope.meta as unknown as Json} />}
    </div>
  );
}

function Elapsed({ start }: { start: Date }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.floor((now - start.getTime()) / 1000);
  return <span class="facts">{seconds > 0 && `${seconds} s`}</span>;
}

function Facts({ meta }: { meta: Meta | undefined }) {
  if (!meta) return null;
  const { prompt_tokens: given, completion_tokens: made, total_tokens: total } = meta.usage ?? {};
  const parts = given === undefined ? "" : ` (${String(given)} in, ${String(made)} out)`;
  const facts = [
    `${meta.durationMs.toLocaleString("en")} ms`,
    meta.attempts === 1 ? "1 attempt" : `${meta.attempts} attempts`,
    ...(meta.httpStatus ? [`HTTP ${meta.httpStatus}`] : []),
    ...(typeof total === "number" ? [`${total.toLocaleString("en")} tokens${parts}`] : []),
  ];
  return <span class="facts">{facts.join(" · ")}</span>;
}

const SENT: Record<string, string> = {
  no: "Nothing was sent.",
  rejected: "The provider refused it; it bills nothing.",
  unknown: "The provider may have done and billed the work.",
};

export function ErrorBox({
  envelope,
  onProblem,
}: {
  envelope: Envelope;
  onProblem: (problem: Problem) => void;
}) {
  const { error } = envelope;
  if (!error) return null;
  const wait =
    error.retryAfterMs === undefined
      ? ""
      : ` Try again in ${Math.ceil(error.retryAfterMs / 1000)} s.`;
  return (
    <div class="box error" role="alert">
      <p>
        <code>{error.code}</code> {error.message}
      </p>
      {error.hint && (
        <p>
          <strong>Hint.</strong> <Inline text={error.hint} />
        </p>
      )}
      {error.details && error.details.length > 0 && (
        <ul>
          {error.details.map((row) => (
            <li key={row.path + row.message}>
              {/^.(inputs.|connection)/.test(row.path) ? (
                <button type="button" class="link" onClick={() => onProblem(row)}>
                  {row.input ?? row.path}
                </button>
              ) : (
                <code>{row.path}</code>
              )}{" "}
              {inside(row) && <code>{inside(row)} </code>}
              {row.message}
            </li>
          ))}
        </ul>
      )}
      <p class="comments">
        {SENT[error.sent]}
        {error.retryable ? ` Another attempt may succeed.${wait}` : wait}
      </p>
    </div>
  );
}

/** Where inside its input a problem is, such as `1/role`. */
function inside({ path }: Problem): string {
  return path.startsWith("/inputs/") ? path.split("/").slice(3).join("/") : "";
}

function Text({ text, path }: { text: string; path?: string }) {
  return (
    <figure class="output">
      <div class="text" tabIndex={0} role="group" aria-label={path ?? "Text"}>
        {text}
      </div>
      {path && <Caption path={path} onCopy={() => void copy(text, "the text")} />}
    </figure>
  );
}

function Caption({ path, onCopy }: { path: string; onCopy?: () => void }) {
  return (
    <figcaption>
      <button
        type="button"
        class="path"
        title={`Copy ${path}`}
        onClick={() => void copy(path, path)}
      >
        {path}
        <span class="unseen"> (copy this path)</span>
      </button>
      {onCopy && (
        <button type="button" class="link" onClick={onCopy}>
          Copy the text
        </button>
      )}
    </figcaption>
  );
}

function Shown({ output }: { output: Output }) {
  switch (output.kind) {
    case "text":
      return <Text text={output.text} path={output.path} />;
    case "link":
      // Shown as a link: the page loads nothing from other hosts.
      return (
        <figure class="output">
          <a href={output.url} target="_blank" rel="noreferrer">
            {output.url}
          </a>
          <Caption path={output.path} />
        </figure>
      );
    case "file":
      return <Binary {...output} />;
  }
}

function Binary({
  path,
  contentType,
  base64,
}: {
  path: string;
  contentType: string;
  base64: string;
}) {
  const [url, setUrl] = useState("");
  useEffect(() => {
    const bytes = decoded(base64);
    if (!bytes) return undefined;
    // What a provider calls HTML must not run as a page of this origin.
    const type = /^(image\/(png|jpeg|webp|gif)|audio\/[\w.+-]+)$/.test(contentType);
    const made = URL.createObjectURL(
      new Blob([bytes], { type: type ? contentType : "application/octet-stream" }),
    );
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [base64, contentType]);
  const name = `${path.replace(/\W+/g, "-").replace(/-$/, "")}.${extension(contentType)}`;
  return (
    <figure class="output">
      {url && contentType.startsWith("image/") && <img src={url} alt={`The image at ${path}`} />}
      <figcaption>
        <Caption path={path} />
        {url ? (
          <a href={url} download={name}>
            Save<span class="unseen"> {name}</span>
          </a>
        ) : (
          "not base64"
        )}
        <small>
          {contentType}, {size(base64)}
        </small>
      </figcaption>
    </figure>
  );
}

function extension(contentType: string): string {
  const subtype = /^\w+\/(?:x-)?(\w+)/.exec(contentType)?.[1] ?? "bin";
  return { jpeg: "jpg", mpeg: "mp3", plain: "txt", octet: "bin" }[subtype] ?? subtype;
}

function decoded(base64: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  } catch {
    return null;
  }
}
