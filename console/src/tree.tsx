// A JSON value as a tree. A click on a row copies its path, such as `data.choices[0].text`.

import { useState } from "preact/hooks";

import { copy } from "./copy";
import type { Json } from "./types";

const MOST = 50;
const LONG = 300;
const OPEN_LEVELS = 4;

export function Tree({ name, value, closed }: { name: string; value: Json; closed?: boolean }) {
  return (
    <ul class="tree">
      <Node name={name} path={name} value={value} level={closed ? OPEN_LEVELS : 0} />
    </ul>
  );
}

interface NodeProps {
  name: string;
  path: string;
  value: Json;
  level: number;
}

function Node({ name, path, value, level }: NodeProps) {
  const children = entries(value);
  const [isOpen, setOpen] = useState(level < OPEN_LEVELS && (children?.length ?? 0) <= MOST);
  const [most, setMost] = useState(MOST);
  return (
    <li>
      <div class="node">
        {children?.length ? (
          <button
            type="button"
            class="toggle"
            aria-expanded={isOpen}
            aria-label={`${isOpen ? "Close" : "Open"} ${path}`}
            onClick={() => setOpen(!isOpen)}
          >
            {isOpen ? "▾" : "▸"}
          </button>
        ) : (
          <span class="toggle" />
        )}
        <button
          type="button"
          class="path"
          title={`Copy ${path}`}
          onClick={() => void copy(path, path)}
        >
          {name}
          <span class="unseen"> (copy the path {path})</span>
        </button>
        {children ? <small>{summary(value, children.length)}</small> : <Leaf value={value} />}
      </div>
      {isOpen && children && children.length > 0 && (
        <ul>
          {children.slice(0, most).map(([key, item]) => (
            <Node
              key={key}
              name={String(key)}
              path={join(path, key)}
              value={item}
              level={level + 1}
            />
          ))}
          {children.length > most && (
            <li>
              <button type="button" class="small" onClick={() => setMost(most * 4)}>
                Show more of {children.length}
              </button>
            </li>
          )}
        </ul>
      )}
    </li>
  );
}

function Leaf({ value }: { value: Json }) {
  const [isWhole, setWhole] = useState(false);
  if (typeof value !== "string") return <code class={`leaf ${typeof value}`}>{String(value)}</code>;
  const isCut = value.length > LONG && !isWhole;
  return (
    <code class="leaf string">
      {JSON.stringify(isCut ? value.slice(0, LONG) : value)}
      {isCut && (
        <button type="button" class="link" onClick={() => setWhole(true)}>
          … {value.length.toLocaleString("en")} characters
        </button>
      )}
    </code>
  );
}

function entries(value: Json): [string | number, Json][] | null {
  if (Array.isArray(value)) return value.map((item, index) => [index, item]);
  return typeof value === "object" && value !== null ? Object.entries(value) : null;
}

function summary(value: Json, count: number): string {
  if (Array.isArray(value)) return count === 1 ? "1 item" : `${count} items`;
  return count ? "" : "{}";
}

export function join(path: string, key: string | number): string {
  if (typeof key === "number") return `${path}[${key}]`;
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
}
