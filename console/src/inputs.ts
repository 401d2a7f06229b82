// From what the form holds to the inputs of a payload.

import type { Action, Input, Json, Schema } from "./types";

/** A file that was picked: a binary object of the contract, and the name to show. */
export interface PickedFile {
  name: string;
  value: { contentType: string; encoding: "base64"; data: string };
}

export interface Row {
  key: string;
  value: string | PickedFile;
}

/** What a control holds. Only inputs that were touched have a value. */
export type Value = string | boolean | Row[] | PickedFile;
export type Values = Record<string, Value>;

export function types(schema: Schema | undefined): string[] {
  const type = schema?.type ?? [];
  return typeof type === "string" ? [type] : type;
}

/** Return the schema that a reference inside `root` leads to. */
export function resolve(schema: Schema | undefined, root: Schema): Schema {
  let found = schema ?? {};
  while (found.$ref?.startsWith("#/$defs/")) {
    found = root.$defs?.[found.$ref.slice(8)] ?? {};
  }
  return found;
}

export function isBinary(schema: Schema): boolean {
  const names = schema.properties ?? {};
  return "contentType" in names && "encoding" in names && "data" in names;
}

export function controlOf(input: Input, schema: Schema): string {
  if (isBinary(schema)) return "file";
  if (input.secret) return "password";
  if (input.control) return input.control;
  if (input.dataSource) return "suggestions";
  const [type = "string"] = types(schema);
  if (type === "object" || type === "array") return "json";
  return { boolean: "toggle", number: "number", integer: "number" }[type] ?? "text";
}

/** Return the value of an input as JSON, undefined for one that is left to its default. */
export function toJson(input: Input, schema: Schema, value: Value | undefined): Json | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "boolean") return value;
  if (Array.isArray(value)) {
    const rows = value.filter((row) => row.key !== "" || row.value !== "");
    return rows.length
      ? rows.map((row) => ({ key: row.key, value: content(row.value) }))
      : undefined;
  }
  if (typeof value === "object") return value.value;
  const control = controlOf(input, schema);
  const allowsEmpty = types(schema).includes("string") && !schema.minLength;
  if (value === "" && !(allowsEmpty && control !== "json")) return undefined;
  if (control === "number") return value.trim() !== "" && isFinite(+value) ? +value : value;
  if (control === "json") return fromText(value, schema);
  return value;
}

function content(value: string | PickedFile): Json {
  return typeof value === "string" ? value : value.value;
}

/** JSON where it is an array or object or the schema has no texts; else the text itself. */
function fromText(text: string, schema: Schema): Json {
  try {
    const parsed = JSON.parse(text) as Json;
    const isStructure = typeof parsed === "object" && parsed !== null;
    return isStructure || !types(schema).includes("string") ? parsed : text;
  } catch {
    return text;
  }
}

/** Say where a JSON text is wrong; empty if it is right or no JSON is needed. */
export function jsonProblem(text: string, schema: Schema): string {
  if (text.trim() === "" || (types(schema).includes("string") && !/^\s*[[{]/.test(text))) return "";
  try {
    JSON.parse(text);
    return "";
  } catch (error) {
    return `This is not JSON yet: ${(error as Error).message}`;
  }
}

/** Return what a control shows for a JSON value, such as a default or an example. */
export function toValue(input: Input, schema: Schema, json: Json | undefined): Value | undefined {
  if (json === undefined || json === null) return undefined;
  switch (controlOf(input, schema)) {
    case "toggle":
      return json === true;
    case "json":
      return typeof json === "string" ? json : pretty(json);
    case "keyValueList": {
      const pairs: [string, Json][] = Array.isArray(json)
        ? json.map((row) => {
            const { key, value } = row as { key: string; value: Json };
            return [key, value];
          })
        : Object.entries(json as Record<string, Json>);
      return pairs.map(([key, value]) => ({ key, value: shown(value) }));
    }
    case "file":
      return { name: "file", value: json as unknown as PickedFile["value"] };
    default:
      return String(json);
  }
}

function shown(value: Json): string | PickedFile {
  if (typeof value !== "object" || value === null) return String(value);
  return { name: "file", value: value as unknown as PickedFile["value"] };
}

/** Return a JSON text with short arrays and objects on one line, as people write them. */
export function pretty(value: Json, indent = ""): string {
  const flat = JSON.stringify(value, null, 1).replace(/\n\s*/g, " ");
  if (typeof value !== "object" || value === null || flat.length + indent.length <= 72) return flat;
  const deeper = indent + "  ";
  const lines = Array.isArray(value)
    ? value.map((item) => deeper + pretty(item, deeper))
    : Object.entries(value).map(
        ([key, item]) => `${deeper}${JSON.stringify(key)}: ${pretty(item, deeper)}`,
      );
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${lines.join(",\n")}\n${indent}${close}`;
}

/** Tell whether an input is shown, by the values and defaults of the inputs it depends on. */
export function isVisible(input: Input, inputs: Input[], values: Values): boolean {
  return Object.entries(input.visibleWhen ?? {}).every(([key, wanted]) => {
    const other = inputs.find((row) => row.key === key);
    const value = values[key] ?? other?.default ?? null;
    return wanted.some((item) => String(item) === String(value));
  });
}

/** The inputs of an action without the connection, which the page asks for once. */
export function inputsOf(action: Action): Input[] {
  return action.inputs.filter((input) => input.control !== "connection");
}

/** Return the inputs of a payload: only those that were touched and are shown. */
export function payloadInputs(
  inputs: Input[],
  schema: Schema,
  values: Values,
): Record<string, Json> {
  const found: Record<string, Json> = {};
  for (const input of inputs) {
    if (!isVisible(input, inputs, values)) continue;
    const json = toJson(input, schemaOf(input, schema), values[input.key]);
    if (json !== undefined) found[input.key] = json;
  }
  return found;
}

export function schemaOf(input: Input, root: Schema): Schema {
  return resolve(root.properties?.[input.key] ?? input.schema, root);
}

/** Return the values with one changed, or taken back where it is undefined. */
export function changed(values: Values, key: string, value: Value | undefined): Values {
  const { [key]: _, ...rest } = values;
  return value === undefined ? rest : { ...rest, [key]: value };
}
