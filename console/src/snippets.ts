// The call that the form describes, as a command line, as curl and as Python.

import { pretty } from "./inputs";
import type { Connection, Json, Manifest, Sandbox } from "./types";

export interface Call {
  action: string;
  connection: Connection | null;
  inputs: Record<string, Json>;
}

/** The payload of a call, as `POST /v1/actions/{key}` and `connector invoke` take it. */
export function payload({ connection, inputs }: Call): { [key: string]: Json } {
  return connection ? { connection, inputs } : { inputs };
}

/** The same call with `***` in place of what is secret. */
export function masked(call: Call, manifest: Manifest): Call {
  const { connection } = call;
  if (!connection || typeof connection === "string") return call;
  const kind = manifest.connections.find((row) => row.key === connection.key);
  const secret = new Set(kind?.fields.filter((row) => row.secret).map((row) => row.key));
  const fields = Object.entries(connection.fields).map(([key, value]): [string, Json] => [
    key,
    secret.has(key) ? "***" : value,
  ]);
  return { ...call, connection: { key: connection.key, fields: Object.fromEntries(fields) } };
}

export function curl(call: Call, base: string, withToken: boolean): string {
  const token = withToken ? `  -H "Authorization: Bearer $CONNECTOR_TOKEN" \\\n` : "";
  return (
    `curl -sS '${base}v1/actions/${call.action}' \\\n${token}` +
    `  -H 'Content-Type: application/json' --data-binary @- <<'JSON'\n` +
    `${pretty(payload(call))}\nJSON\n`
  );
}

export function commandLine(call: Call, sandbox: Sandbox | null): string {
  const offline = sandbox !== null && call.connection === sandbox.name;
  const text = pretty(payload(offline ? { ...call, connection: null } : call));
  const option = offline ? ` --sandbox=${sandbox.kind}` : "";
  return `connector invoke ${call.action}${option} --payload - <<'JSON'\n${text}\nJSON\n`;
}

export function python(call: Call, sandbox: Sandbox | null): string {
  const { connection, action, inputs } = call;
  const show = "print(result.data if result.ok else result.error)";
  if (sandbox !== null && connection === sandbox.name) {
    return `from connector import Connector
from connector.sandbox import Sandbox

connector = Connector.load()
inputs = ${literal(inputs)}
with Sandbox(connector.describe()["models"]) as sandbox:
    result = connector.invoke("${action}", inputs, sandbox.connection("${sandbox.kind}"))
${show}
`;
  }
  const load = typeof connection === "string" ? 'connections="connections.yaml"' : "";
  return `from connector import Connector

connector = Connector.load(${load})
connection = ${literal(connection)}
inputs = ${literal(inputs)}
result = connector.invoke("${action}", inputs, connection)
${show}
`;
}

/** A JSON value as Python. Texts in JSON are texts in Python as they stand. */
function literal(value: Json, indent = ""): string {
  const flat = pretty(value);
  if (typeof value !== "object" || value === null) {
    return { true: "True", false: "False", null: "None" }[flat] ?? flat;
  }
  const deeper = indent + "    ";
  const parts = Array.isArray(value)
    ? value.map((item) => literal(item, deeper))
    : Object.entries(value).map(
        ([key, item]) => `${JSON.stringify(key)}: ${literal(item, deeper)}`,
      );
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const line = open + parts.join(", ") + close;
  if (line.length + indent.length <= 80 && !line.includes("\n")) return line;
  return `${open}\n${parts.map((part) => `${deeper}${part},\n`).join("")}${indent}${close}`;
}
