// What the HTTP door sends: the manifest as described, schemas, envelopes.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Schema {
  $ref?: string;
  $defs?: Record<string, Schema>;
  type?: string | string[];
  properties?: Record<string, Schema>;
  items?: Schema;
  enum?: Json[];
  minLength?: number;
}

export interface Input {
  key: string;
  label: string;
  comments?: string;
  placeholder?: string;
  example?: Json;
  control?: string;
  required?: boolean;
  default?: Json;
  secret?: boolean;
  advanced?: boolean;
  operatorOnly?: boolean;
  visibleWhen?: Record<string, Json[]>;
  dataSource?: string;
  schema?: Schema;
}

export interface Example {
  name: string;
  inputs: Record<string, Json>;
}

export interface Action {
  key: string;
  label: string;
  description: string;
  streams?: boolean;
  outputPath?: string;
  billing?: string;
  inputs: Input[];
  examples?: Example[];
}

export interface Kind {
  key: string;
  label: string;
  description: string;
  documentation?: string;
  fields: Input[];
}

export interface Manifest {
  label: string;
  description: string;
  version?: string;
  runtimeVersion: string;
  connections: Kind[];
  actions: Action[];
}

/** The connection to the offline provider. */
export interface Sandbox {
  name: string;
  /** What follows `--sandbox=`. */
  kind: string;
}

/** What `GET /v1/console` says about this server. */
export interface Setup {
  inlineConnections: boolean;
  sandbox: Sandbox | null;
}

export interface Problem {
  path: string;
  input?: string;
  message: string;
}

export interface Failure {
  code: string;
  message: string;
  retryable: boolean;
  sent: string;
  hint?: string;
  details?: Problem[];
  httpStatus?: number;
  retryAfterMs?: number;
  providerCode?: string;
  providerParam?: string;
  requestId?: string;
}

export interface Meta {
  action: string | null;
  provider: string | null;
  attempts: number;
  durationMs: number;
  requestId: string | null;
  usage?: Record<string, Json> | null;
  warnings: string[];
  httpStatus?: number;
}

export interface Envelope {
  ok: boolean;
  data?: Json;
  error?: Failure;
  meta?: Meta;
}

export interface StreamEvent {
  type: string;
  index?: number;
  text?: string;
}

/** A connection by its name, or one whose fields stay in the memory of this page. */
export type Connection = string | { key: string; fields: Record<string, Json> };
