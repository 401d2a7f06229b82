// Asks for the token of this server. It stays in the memory of the page.

import { useEffect, useRef, useState } from "preact/hooks";

import { hasToken, setToken } from "./api";

export function TokenDialog({ onToken }: { onToken: () => Promise<void> }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [value, setValue] = useState("");
  const [isRefused, setRefused] = useState(hasToken());
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby="token-title" onCancel={(event) => event.preventDefault()}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setToken(value);
          setRefused(false);
          void onToken().then(() => setRefused(true));
        }}
      >
        <h2 id="token-title">This server asks for its token</h2>
        <p class="comments">
          It is the value of <code>CONNECTOR_TOKEN</code> where <code>connector serve</code> runs.
          It stays in the memory of this page.
        </p>
        {isRefused && (
          <p class="problem" role="alert">
            The server does not accept this token.
          </p>
        )}
        <div class="field">
          <label for="token">Token</label>
          <input
            id="token"
            type="password"
            autocomplete="off"
            value={value}
            onInput={(event) => setValue(event.currentTarget.value)}
          />
        </div>
        <button class="primary" disabled={!value.trim()}>
          Continue
        </button>
      </form>
    </dialog>
  );
}
