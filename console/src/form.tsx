// The fields of a form, drawn from the manifest: label, comments, control, errors, and a way back to
// the default.

import { useId } from "preact/hooks";

import { Control } from "./controls";
import { controlOf, isVisible, schemaOf, toValue, type Value, type Values } from "./inputs";
import { Inline } from "./markdown";
import type { Input, Problem, Schema } from "./types";

interface Props {
  inputs: Input[];
  schema: Schema;
  values: Values;
  problems: Problem[];
  /** Where the inputs lie in a payload, such as `/inputs`. */
  at: string;
  onValue: (key: string, value: Value | undefined) => void;
  loadOptions: (source: string) => () => Promise<string[]>;
}

export function Fields(props: Props) {
  const { inputs, values, problems, at } = props;
  const shown = inputs.filter((input) => isVisible(input, inputs, values));
  const usual = shown.filter((input) => !input.advanced);
  const advanced = shown.filter((input) => input.advanced);
  const hasProblem = advanced.some((input) => own(problems, at, input.key).length);
  const set = advanced.filter((input) => values[input.key] !== undefined).length;
  return (
    <>
      {usual.map((input) => (
        <Field key={input.key} {...props} input={input} />
      ))}
      {advanced.length > 0 && (
        <details class="advanced" open={hasProblem || undefined}>
          <summary>
            More options <small>{set ? `${set} of ${advanced.length} set` : advanced.length}</small>
          </summary>
          {advanced.map((input) => (
            <Field key={input.key} {...props} input={input} />
          ))}
        </details>
      )}
    </>
  );
}

export function fieldId(at: string, key: string): string {
  return `field${at.replaceAll("/", "-")}-${key}`;
}

/** The problems of one input, those inside it included. */
export function own(problems: Problem[], at: string, key: string): Problem[] {
  const path = `${at}/${key}`;
  return problems.filter((row) => row.path === path || row.path.startsWith(`${path}/`));
}

function Field({
  input,
  schema,
  values,
  problems,
  at,
  onValue,
  loadOptions,
}: Props & { input: Input }) {
  const notes = useId();
  const errors = useId();
  const id = fieldId(at, input.key);
  const part = schemaOf(input, schema);
  const kind = controlOf(input, part);
  const touched = values[input.key];
  const value = touched ?? toValue(input, part, input.default);
  const mine = own(problems, at, input.key);
  return (
    <div class={`field field-${kind}`}>
      <div class="label">
        {kind === "keyValueList" ? (
          <span class="name">{input.label}</span>
        ) : (
          <label for={id}>{input.label}</label>
        )}
        {input.required && <span class="tag required">required</span>}
        {touched === undefined && input.default !== undefined && <span class="tag">default</span>}
        {touched !== undefined && (
          <button type="button" class="link" onClick={() => onValue(input.key, undefined)}>
            {input.default === undefined ? "Clear" : "Use default"}
            <span class="unseen"> for {input.label}</span>
          </button>
        )}
      </div>
      <Control
        input={input}
        schema={part}
        root={schema}
        kind={kind}
        id={id}
        describedBy={`${errors} ${notes}`}
        invalid={mine.length > 0}
        wrong={mine.map((row) => row.path.slice(`${at}/${input.key}`.length))}
        value={value}
        onValue={(next) => onValue(input.key, next)}
        {...(input.dataSource ? { loadOptions: loadOptions(input.dataSource) } : {})}
      />
      <div id={errors}>
        {mine.map((row) => (
          <p class="problem" key={row.path + row.message}>
            {row.path.slice(`${at}/${input.key}`.length) && (
              <code>{row.path.slice(at.length + 1)}</code>
            )}{" "}
            {row.message}
          </p>
        ))}
      </div>
      {input.comments && (
        <p class="comments" id={notes}>
          <Inline text={input.comments} />
        </p>
      )}
    </div>
  );
}
