import { join } from "node:path";

const APP = join(import.meta.dir, "tiny_app.cjs");

export interface TinyApp {
  readonly name: string;
  /** Where callers find it. */
  readonly port: number;
  /** Behind its sidecar; the sidecar is left out without it. */
  readonly own?: number;
  /** The call that /call/PATH goes to; `more` has to declare it. */
  readonly calls?: string;
  /** Lines of YAML below `spec`, for example "calls: { api: {} }". */
  readonly more?: readonly string[];
}

/** The App file of a tiny program that answers every request; see tiny_app.cjs. */
export function tinyApp({ name, port, own, calls, more = [] }: TinyApp): string {
  const run = own === undefined ? "" : `, port: ${own}`;
  const call = calls === undefined ? "" : `, CALL_URL: "{{calls.${calls}.url}}"`;
  return [
    "apiVersion: outrigger.dev/v1alpha1",
    "kind: App",
    `metadata: { name: ${name}, namespace: test }`,
    "spec:",
    `  run: { command: [node, ${APP}]${run} }`,
    `  env: { PORT: "{{run.port}}", NAME: ${name}${call} }`,
    `  port: ${port}`,
    ...(own === undefined ? ["  sidecar: { enabled: false }"] : []),
    ...more.map((line) => `  ${line}`),
    "",
  ].join("\n");
}
