// The actions, with the connector's icon and name.

import { useMemo } from "preact/hooks";

import { hasToken } from "./api";
import type { Manifest } from "./types";

export function Sidebar({ manifest, selected }: { manifest: Manifest; selected: string }) {
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
        <img
          src="v1/icon"
          alt=""
          width="36"
          height="36"
          onError={(event) => (event.currentTarget.hidden = true)} // a connector may have none
        />
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
        {!hasToken() && (
          <>
            <a href="openapi.json">OpenAPI</a> ·{" "}
          </>
        )}
        <a href="console/licences.txt">Licences</a>
      </p>
    </nav>
  );
}
