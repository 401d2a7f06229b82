// A JSON array of texts, or of flat objects with the same keys, as rows to fill in.

import { pretty, resolve, types } from "./inputs";
import type { Json, Schema } from "./types";

interface List {
  /** The keys of each row; null where the rows are texts. */
  keys: string[] | null;
  rows: Json[];
}

/** Return the rows in a JSON text, null where it can only be edited as text. */
export function listOf(text: string, schema: Schema, root: Schema): List | null {
  const holdsTexts = types(resolve(schema.items, root)).join() === "string";
  if (text.trim() === "")
    return types(schema).join() === "array" && holdsTexts ? { keys: null, rows: [] } : null;
  let rows: Json;
  try {
    rows = JSON.parse(text) as Json;
  } catch {
    return null;
  }
  if (!Array.isArray(rows)) return null;
  if (rows.every((row) => typeof row === "string"))
    return rows.length || holdsTexts ? { keys: null, rows } : null;
  const keys = isFlat(rows[0]) ? Object.keys(rows[0]) : [];
  const isSame = (row: Json) => isFlat(row) && Object.keys(row).join("\n") === keys.join("\n");
  return keys.length && rows.every(isSame) ? { keys, rows } : null;
}

function isFlat(row: Json | undefined): row is Record<string, string> {
  const isObject = typeof row === "object" && row !== null && !Array.isArray(row);
  return isObject && Object.values(row).every((value) => typeof value === "string");
}

/** Tell whether a problem is in a row, but in none of its cells: all of them show it then. */
function isElsewhere(at: string, index: number, keys: string[]): boolean {
  const [, row, key] = at.split("/");
  return row === String(index) && !(key !== undefined && keys.includes(key));
}

interface Props extends List {
  id: string;
  label: string;
  schema: Schema;
  root: Schema;
  describedBy: string;
  /** Where problems are, such as `/1/role`. */
  wrong: string[];
  onValue: (text: string) => void;
}

export function ListEditor({
  keys,
  rows,
  id,
  label,
  schema,
  root,
  describedBy,
  wrong,
  onValue,
}: Props) {
  const properties = resolve(schema.items, root).properties ?? {};
  const write = (next: Json[]) => onValue(pretty(next));
  const set = (index: number, key: string | null, value: string) =>
    write(
      rows.map((row, at) =>
        at !== index ? row : key === null ? value : { ...(row as object), [key]: value },
      ),
    );
  const add = () => {
    if (keys === null) return write([...rows, ""]);
    // Speakers take turns: a choice repeats the row before the last one.
    const like = (rows.at(-2) ?? rows.at(-1)) as Record<string, string>;
    return write([
      ...rows,
      Object.fromEntries(keys.map((key) => [key, properties[key]?.enum ? like[key]! : ""])),
    ]);
  };
  return (
    <div class="list" role="group" aria-label={label} aria-describedby={describedBy}>
      {rows.map((row, index) => (
        <div class="row" key={index}>
          {(keys ?? [null]).map((key, at) => {
            const value = key === null ? (row as string) : (row as Record<string, string>)[key]!;
            const choices = key === null ? undefined : resolve(properties[key], root).enum;
            const path = key === null ? `/${index}` : `/${index}/${key}`;
            const shared = {
              id: index === 0 && at === 0 ? id : undefined,
              value,
              "aria-label": `${label}: ${key ?? "text"} ${index + 1}`,
              "aria-invalid": wrong.some((at) => at === path || isElsewhere(at, index, keys ?? [])),
              onInput: (event: { currentTarget: { value: string } }) =>
                set(index, key, event.currentTarget.value),
            };
            return choices ? (
              <select {...shared}>
                {choices.map((item) => (
                  <option key={String(item)}>{String(item)}</option>
                ))}
              </select>
            ) : (
              <textarea
                {...shared}
                rows={Math.min(
                  12,
                  Math.max(1, Math.ceil(value.length / 42), value.split("\n").length),
                )}
              />
            );
          })}
          <button
            type="button"
            class="quiet"
            aria-label={`Remove row ${index + 1} of ${label}`}
            title="Remove"
            disabled={rows.length === 1 && keys !== null}
            onClick={() => write(rows.filter((_, at) => at !== index))}
          >
            ×
          </button>
        </div>
      ))}
      <button
        type="button"
        class="small"
        id={rows.length ? undefined : id}
        aria-label={`Add a row to ${label}`}
        onClick={add}
      >
        Add a row
      </button>
    </div>
  );
}
