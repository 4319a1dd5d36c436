/** A real control plane without nodes: what it accepts is accepted, and nothing runs. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheFolder } from "../install.ts";

const SCRIPTS = import.meta.dir;
const CACHE = join(cacheFolder(), "kube");
const BIN = join(CACHE, "bin");
const PATH = `${BIN}:${process.env["PATH"] ?? ""}:/usr/local/go/bin`;

export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Null where it can be tried; else why not, in a sentence. */
export function controlPlaneMissing(): string | null {
  if (process.platform !== "linux") return "a control plane needs Linux";
  const needed = ["go", "openssl", "curl", "jq"];
  const missing = needed.filter((name) => Bun.which(name, { PATH }) === null);
  return missing.length === 0 ? null : `a control plane needs ${missing.join(", ")}`;
}

export class ControlPlane {
  readonly folder = mkdtempSync(join(tmpdir(), "outrigger-kube-"));
  readonly #env: Readonly<Record<string, string | undefined>>;

  /** @param basePort the first of five: these, or the next ones that are free */
  constructor(basePort = 17_400) {
    this.#env = {
      ...process.env,
      PATH,
      KUBE_CACHE: CACHE,
      BASE_PORT: String(freeBase(basePort)),
      KUBECONFIG: join(this.folder, "kubeconfig"),
      // Helm keeps nothing in the user's own folders.
      HELM_CACHE_HOME: this.folder,
      HELM_CONFIG_HOME: this.folder,
      HELM_DATA_HOME: this.folder,
    };
  }

  /**
   * With the kinds of the Prometheus operator, Velero, Gateway API and OpenShift's Route.
   * @throws Error with the end of what the scripts said
   */
  async start(): Promise<void> {
    await this.#script("kube-up.sh", this.folder);
    await this.#script("kube-build.sh", "crds");
    await this.kubectl(["apply", "--server-side", "-f", join(CACHE, "crds")]);
    const established = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"];
    await this.kubectl(established);
  }

  async end(): Promise<void> {
    await this.#script("kube-down.sh", this.folder);
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #script(name: string, ...words: readonly string[]): Promise<void> {
    const { status, stderr } = await run(["bash", join(SCRIPTS, name), ...words], this.#env);
    if (status !== 0) throw new Error(`${name}: ${stderr.slice(-2_000)}`);
  }

  /** @throws Error where kubectl fails. Returns what it printed. */
  async kubectl(words: readonly string[], stdin?: string): Promise<string> {
    const { status, stdout, stderr } = await this.tried(words, stdin);
    if (status !== 0) throw new Error(`kubectl ${words.join(" ")}: ${stderr.trim()}`);
    return stdout;
  }

  tried(words: readonly string[], stdin?: string): Promise<Ended> {
    return run(["kubectl", ...words], this.#env, stdin);
  }

  helm(words: readonly string[]): Promise<Ended> {
    return run(["helm", ...words], this.#env);
  }
}

/** The first of five ports in a row that nobody has: another checkout may test too. */
function freeBase(from: number): number {
  for (let base = from; base < from + 50; base += 5) {
    const ports = Array.from({ length: 5 }, (_, index) => base + index);
    if (ports.every(isFree)) return base;
  }
  throw new Error(`no five ports in a row are free from ${from} on`);
}

function isFree(port: number): boolean {
  try {
    Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }).stop(true);
    return true;
  } catch {
    return false;
  }
}

/** A tool of `kube-build.sh`, compiled if it is not there yet. Returns its path. */
export async function builtTool(name: string): Promise<string> {
  const env = { ...process.env, PATH, KUBE_CACHE: CACHE };
  const { status, stderr } = await run(["bash", join(SCRIPTS, "kube-build.sh"), name], env);
  if (status !== 0) throw new Error(`kube-build.sh ${name}: ${stderr.slice(-2_000)}`);
  return join(BIN, name);
}

/** A program to its end, with `stdin` or none. */
export async function run(
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>> = process.env,
  stdin?: string,
): Promise<Ended> {
  const path = Bun.which(command[0]!, { PATH: env["PATH"] ?? "" }) ?? command[0]!;
  const child = Bun.spawn([path, ...command.slice(1)], {
    env: { ...env },
    stdin: stdin === undefined ? "ignore" : new TextEncoder().encode(stdin),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { status: await child.exited, stdout, stderr };
}
