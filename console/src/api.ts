// Calls the HTTP door. The token lives in the memory of this page only.

import type { Envelope, StreamEvent } from "./types";

let token = "";

/** The door's own token is missing or wrong. */
export class Unauthorized extends Error {}

export function setToken(value: string): void {
  token = value.trim();
}

export function hasToken(): boolean {
  return token !== "";
}

function headers(more: Record<string, string> = {}): Record<string, string> {
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

async function send(path: string, options: RequestInit): Promise<Response> {
  const response = await fetch(path, { ...options, credentials: "omit", redirect: "error" });
  if (response.status === 401) throw new Unauthorized();
  return response;
}

/** Return the JSON at a path. Throws where there is none. */
export async function get<T>(path: string): Promise<T> {
  const response = await send(path, { headers: headers() });
  if (!response.ok) throw new Error(`${path}: the server answered ${response.status}.`);
  return (await response.json()) as T;
}

/** Post a payload and return the envelope. Whatever fails on the way becomes one too. */
export async function post(
  path: string,
  payload: unknown,
  signal?: AbortSignal,
  onEvent?: (event: StreamEvent) => void,
): Promise<Envelope> {
  const accept = onEvent ? "text/event-stream" : "application/json";
  try {
    const response = await send(path, {
      method: "POST",
      headers: headers({ Accept: accept, "Content-Type": "application/json" }),
      body: JSON.stringify(payload),
      signal: signal ?? null,
    });
    const type = response.headers.get("content-type") ?? "";
    if (onEvent && type.startsWith("text/event-stream")) return await readEvents(response, onEvent);
    return envelope(await response.text(), response.status);
  } catch (error) {
    if (error instanceof Unauthorized) throw error;
    if (signal?.aborted) return failure("cancelled", "You cancelled this run.", "unknown");
    return failure(
      "connection_lost",
      "The connector did not answer.",
      "unknown",
      "Is `connector serve` still running at this address?",
    );
  }
}

/** As `post`, but undefined where the server wants its token; whoever made it asks for that. */
export type Ask = (...request: Parameters<typeof post>) => Promise<Envelope | undefined>;

function envelope(text: string, status: number): Envelope {
  try {
    const found = JSON.parse(text) as Envelope;
    if (typeof found.ok === "boolean") return found;
  } catch {
    // Not from the connector: for example the error page of a proxy.
  }
  return failure("protocol_error", `The server answered ${status}, without a result.`, "unknown");
}

async function readEvents(
  response: Response,
  onEvent: (event: StreamEvent) => void,
): Promise<Envelope> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
    rest = blocks.pop()!;
    for (const block of blocks) {
      const lines = block.split("\n");
      const name = lines.find((line) => line.startsWith("event: "))?.slice(7);
      const data = lines.find((line) => line.startsWith("data: "))?.slice(6);
      if (name === "result" && data) return JSON.parse(data) as Envelope;
      if (name && data) onEvent(JSON.parse(data) as StreamEvent);
    }
  }
  return failure("connection_lost", "The stream ended before its result.", "unknown");
}

function failure(code: string, message: string, sent: string, hint?: string): Envelope {
  const error = { code, message, retryable: false, sent };
  return { ok: false, error: hint ? { ...error, hint } : error };
}
