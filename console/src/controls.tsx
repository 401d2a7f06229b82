// One control for each kind of input. Each tells what it holds; none knows what an action is.

import { useId, useState } from "preact/hooks";

import { Combobox } from "./combobox";
import { listOf, ListEditor } from "./list";
import { isBinary, jsonProblem, resolve, type PickedFile, type Row, type Value } from "./inputs";
import type { Input, Schema } from "./types";

export interface ControlProps {
  input: Input;
  schema: Schema;
  /** Resolves the references in `schema`. */
  root: Schema;
  kind: string;
  id: string;
  describedBy: string;
  invalid: boolean;
  /** Where in the value the problems are, such as `/1/role`. */
  wrong: string[];
  value: Value | undefined;
  onValue: (value: Value) => void;
  loadOptions?: () => Promise<string[]>;
}

export function Control(props: ControlProps) {
  const { input, schema, kind, id, describedBy, invalid, value, onValue } = props;
  const text = typeof value === "string" ? value : "";
  const aria = {
    id,
    "aria-describedby": describedBy,
    "aria-invalid": invalid,
    "aria-required": input.required ?? false,
  };
  const onText = (event: { currentTarget: { value: string } }) =>
    onValue(event.currentTarget.value);
  const plain = { ...aria, value: text, onInput: onText, spellcheck: false };
  const example = typeof input.example === "string" ? input.example : "";
  const hint = input.placeholder ?? example;
  switch (kind) {
    case "toggle":
      return (
        <input
          {...aria}
          type="checkbox"
          role="switch"
          checked={value === true}
          onChange={(event) => onValue(event.currentTarget.checked)}
        />
      );
    case "select":
      return (
        <select {...aria} value={text} onChange={onText}>
          {!text && <option value="">Choose…</option>}
          {schema.enum?.map((item) => (
            <option key={String(item)}>{String(item)}</option>
          ))}
        </select>
      );
    case "number":
      return (
        <input
          {...plain}
          type="text"
          inputMode="decimal"
          autocomplete="off"
          placeholder={shownExample(input)}
        />
      );
    case "password":
      return <input {...plain} type="password" autocomplete="off" />;
    case "textarea":
      return <textarea {...plain} spellcheck rows={rows(text, 3)} placeholder={hint} />;
    case "json":
      return <JsonEditor {...props} text={text} />;
    case "keyValueList":
      return <Table {...props} />;
    case "file":
      return (
        <FilePicker
          id={id}
          label={input.label}
          describedBy={describedBy}
          file={typeof value === "object" && !Array.isArray(value) ? value : null}
          onFile={onValue}
          onRemove={() => onValue("")}
        />
      );
    case "suggestions":
      return (
        <Combobox
          {...aria}
          value={text}
          onValue={onValue}
          load={props.loadOptions!}
          label={input.label}
        />
      );
    default:
      return <input {...plain} type="text" autocomplete="off" placeholder={hint} />;
  }
}

function shownExample(input: Input): string {
  return input.placeholder ?? (input.example === undefined ? "" : JSON.stringify(input.example));
}

function rows(text: string, least: number): number {
  const lines = text.split("\n").reduce((sum, line) => sum + 1 + Math.floor(line.length / 80), 0);
  return Math.max(least, Math.min(20, lines));
}

function JsonEditor(props: ControlProps & { text: string }) {
  const { input, schema, root, id, describedBy, invalid, wrong, text, onValue } = props;
  const note = useId();
  const [isText, setText] = useState(false);
  const list = listOf(text, schema, root);
  const problem = jsonProblem(text, schema);
  return (
    <>
      {list && !isText ? (
        <ListEditor
          {...list}
          {...{ id, schema, root, describedBy, wrong, onValue }}
          label={input.label}
        />
      ) : (
        <textarea
          id={id}
          class="code"
          spellcheck={false}
          value={text}
          rows={rows(text, 2)}
          placeholder={shownExample(input)}
          aria-describedby={`${describedBy} ${note}`}
          aria-invalid={invalid || problem !== ""}
          aria-required={input.required ?? false}
          onInput={(event) => {
            setText(true); // it stays a text while someone types in it
            onValue(event.currentTarget.value);
          }}
        />
      )}
      <p id={note} class="note" aria-live="polite">
        {problem}
      </p>
      {list && (
        <button type="button" class="link switch" onClick={() => setText(!isText)}>
          {isText ? "Edit as a list" : "Edit as JSON"}
          <span class="unseen"> for {input.label}</span>
        </button>
      )}
    </>
  );
}

function Table({ input, schema, root, id, describedBy, value, onValue }: ControlProps) {
  const list = Array.isArray(value) ? value : [];
  const cell = resolve(resolve(schema.items, root).properties?.["value"], root);
  const files = isBinary(cell);
  const change = (index: number, row: Partial<Row>) =>
    onValue(list.map((old, at) => (at === index ? { ...old, ...row } : old)));
  return (
    <div id={id} role="group" aria-label={input.label} aria-describedby={describedBy} tabIndex={-1}>
      {list.map((row, index) => (
        <div class="row" key={index}>
          <input
            type="text"
            value={row.key}
            placeholder="Key"
            spellcheck={false}
            aria-label={`${input.label}: key ${index + 1}`}
            onInput={(event) => change(index, { key: event.currentTarget.value })}
          />
          {typeof row.value === "string" && (
            <input
              type="text"
              value={row.value}
              placeholder={files ? "Text, or a file" : "Value"}
              spellcheck={false}
              aria-label={`${input.label}: value ${index + 1}`}
              onInput={(event) => change(index, { value: event.currentTarget.value })}
            />
          )}
          {files && (
            <FilePicker
              label={`${input.label}: file ${index + 1}`}
              file={typeof row.value === "string" ? null : row.value}
              onFile={(file) => change(index, { value: file })}
              onRemove={() => change(index, { value: "" })}
            />
          )}
          <button
            type="button"
            class="quiet"
            aria-label={`Remove row ${index + 1} of ${input.label}`}
            title="Remove"
            onClick={() => onValue(list.filter((_, at) => at !== index))}
          >
            ×
          </button>
        </div>
      ))}
      <button
        type="button"
        class="small"
        onClick={() => onValue([...list, { key: "", value: "" }])}
      >
        Add a row<span class="unseen"> to {input.label}</span>
      </button>
    </div>
  );
}

interface FilePickerProps {
  id?: string;
  label: string;
  describedBy?: string;
  file: PickedFile | null;
  onFile: (file: PickedFile) => void;
  onRemove: () => void;
}

function FilePicker({ id, label, describedBy, file, onFile, onRemove }: FilePickerProps) {
  const [problem, setProblem] = useState("");
  const pick = async (picked: File | undefined) => {
    if (!picked) return;
    try {
      const data = await base64(picked);
      const contentType = picked.type || "application/octet-stream";
      onFile({ name: picked.name, value: { contentType, encoding: "base64", data } });
      setProblem("");
    } catch {
      setProblem("This file cannot be read.");
    }
  };
  if (file) {
    return (
      <span class="file">
        <span>
          {file.name}{" "}
          <small>
            ({file.value.contentType}, {size(file.value.data)})
          </small>
        </span>
        <button type="button" class="link" id={id} onClick={onRemove}>
          Remove<span class="unseen"> {file.name}</span>
        </button>
      </span>
    );
  }
  return (
    <span class="file">
      <input
        id={id}
        type="file"
        aria-label={label}
        aria-describedby={describedBy}
        onChange={(event) => void pick(event.currentTarget.files?.[0])}
      />
      {problem && (
        <span class="problem" role="alert">
          {problem}
        </span>
      )}
    </span>
  );
}

function base64(file: File): Promise<string> {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done((reader.result as string).replace(/^.*?,/, ""));
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(file);
  });
}

/** The size of what a base64 text holds. */
export function size(data: string): string {
  const bytes = Math.floor((data.replace(/=+$/, "").length * 3) / 4);
  if (bytes < 1000) return `${bytes} bytes`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
