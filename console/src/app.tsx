// The page: it waits for the server, and asks for its token where it wants one.

import { useEffect, useState } from "preact/hooks";

import { get, Unauthorized } from "./api";
import { Console, type Server } from "./console";
import { TokenDialog } from "./token";
import type { Manifest, Setup } from "./types";

export function App() {
  const [server, setServer] = useState<Server | null>(null);
  const [needsToken, setNeedsToken] = useState(false);
  const [problem, setProblem] = useState("");
  const load = async () => {
    try {
      const [manifest, names, setup] = await Promise.all([
        get<Manifest>("v1/actions"),
        get<string[]>("v1/connections"),
        get<Setup>("v1/console"),
      ]);
      setServer({ manifest, names, setup });
      setNeedsToken(false);
      setProblem("");
    } catch (error) {
      if (error instanceof Unauthorized) setNeedsToken(true);
      else setProblem((error as Error).message);
    }
  };
  useEffect(() => void load(), []);
  return (
    <>
      {needsToken && <TokenDialog onToken={load} />}
      {server ? (
        <Console server={server} onUnauthorized={() => setNeedsToken(true)} />
      ) : (
        <main class="start">
          {problem ? (
            <div class="box error" role="alert">
              <p>The connector cannot be reached. {problem}</p>
              <button type="button" onClick={() => void load()}>
                Try again
              </button>
            </div>
          ) : (
            <p class="comments">Loading…</p>
          )}
        </main>
      )}
    </>
  );
}
