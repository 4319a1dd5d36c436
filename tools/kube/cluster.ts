/** A real Kubernetes cluster of one node, in namespaces of its own, and images for it. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheFolder } from "../install.ts";

const SCRIPTS = import.meta.dir;
const CACHE = join(cacheFolder(), "kube");

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Null where it can be tried; else why not, in a sentence. */
export function clusterMissing(): string | null {
  if (process.platform !== "linux") return "a cluster needs Linux";
  if (process.getuid?.() !== 0) return "a cluster needs root";
  const needed = ["go", "unshare", "nsenter", "ip", "openssl", "curl", "jq", "apt-get", "dpkg"];
  const missing = needed.filter((name) => Bun.which(name, { PATH: PATH }) === null);
  return missing.length === 0 ? null : `a cluster needs ${missing.join(", ")}`;
}

const PATH = `${process.env["PATH"] ?? ""}:/usr/local/go/bin:/usr/sbin:/sbin`;

/** For the scripts of this folder. */
export function clusterEnv(): Record<string, string | undefined> {
  return { ...process.env, PATH, KUBE_CACHE: CACHE };
}

export interface ClusterOptions {
  /** Where its state lies; a temporary folder without it. */
  readonly folder?: string;
  /** The first of its ports, which differ for clusters that run at the same time. */
  readonly basePort?: number;
}

export class KubeCluster {
  readonly folder: string;
  readonly #env: Readonly<Record<string, string | undefined>>;

  constructor({ folder, basePort = 17_200 }: ClusterOptions = {}) {
    this.folder = folder ?? mkdtempSync(join(tmpdir(), "outrigger-kube-"));
    this.#env = { ...clusterEnv(), BASE_PORT: String(basePort) };
  }

  /** @throws Error with the end of what the scripts said */
  async start(): Promise<void> {
    await this.#script("cluster-up.sh", this.folder);
  }

  async end(): Promise<void> {
    await this.#script("cluster-down.sh", this.folder, "--purge");
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #script(name: string, ...words: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await run(["bash", join(SCRIPTS, name), ...words], this.#env);
    if (status !== 0) throw new Error(`${name}: ${stderr.slice(-2_000)}`);
    return stdout;
  }

  /** A command in the cluster's network, KUBECONFIG set. */
  inside(words: readonly string[], stdin?: string): Promise<Ran> {
    const { command, env } = this.command(words);
    return run(command, env, stdin);
  }

  /** What `inside` starts, for who starts it in another way. */
  command(words: readonly string[]): {
    readonly command: string[];
    readonly env: Readonly<Record<string, string | undefined>>;
  } {
    const command = ["bash", join(SCRIPTS, "cluster-in.sh"), this.folder, ...words];
    return { command, env: { ...this.#env, PATH: `${join(CACHE, "bin")}:${PATH}` } };
  }

  /** @throws Error where kubectl fails. Returns what it printed. */
  async kubectl(words: readonly string[], stdin?: string): Promise<string> {
    const { status, stdout, stderr } = await this.inside(["kubectl", ...words], stdin);
    if (status !== 0) throw new Error(`kubectl ${words.join(" ")}: ${stderr.trim()}`);
    return stdout;
  }

  /** A command in all namespaces of the node: its processes and files. */
  onNode(command: readonly string[]): Promise<Ran> {
    return run(["bash", join(SCRIPTS, "node-in.sh"), this.folder, "node1", ...command], this.#env);
  }

  /** Puts an image, a tar of an OCI layout, on the node. */
  async load(image: Uint8Array): Promise<void> {
    const path = join(this.folder, `image-${Bun.hash(image)}.tar`);
    await Bun.write(path, image);
    const ctr = join(CACHE, "debs", "root", "usr", "bin", "ctr");
    const { status, stderr } = await this.onNode([ctr, "-n", "k8s.io", "images", "import", path]);
    if (status !== 0) throw new Error(`ctr images import: ${stderr}`);
    rmSync(path);
  }

  /** A request from the node, a GET unless told; its status is 0 where nothing answered. */
  async get(
    url: string,
    options: { readonly host?: string; readonly method?: string } = {},
  ): Promise<{ readonly status: number; readonly body: string }> {
    const { host, method = "GET" } = options;
    const headers = host === undefined ? [] : ["-H", `Host: ${host}`];
    const ask = ["curl", "-s", "-m", "10", "-X", method, ...headers, "-w", "\n%{http_code}", url];
    const { stdout } = await this.inside(ask);
    const at = stdout.lastIndexOf("\n");
    return { status: Number(stdout.slice(at + 1)), body: stdout.slice(0, at) };
  }
}

async function run(
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  stdin?: string,
): Promise<Ran> {
  const child = Bun.spawn([...command], {
    env,
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

/** The files of an image with Node.js, as `tools/kube/images.sh` made it. */
export async function nodeRoot(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "outrigger-node-image-"));
  const layout = join(folder, "layout");
  const root = join(folder, "root");
  mkdirSync(layout);
  mkdirSync(root);
  const unpack = async (tar: string, into: string): Promise<void> => {
    const { status, stderr } = await run(["tar", "-xf", tar, "-C", into], process.env);
    if (status !== 0) throw new Error(`tar: ${stderr}`);
  };
  await unpack(join(CACHE, "images", "node.tar"), layout);
  const blob = (digest: string): string => join(layout, "blobs", digest.replace(":", "/"));
  const json = (path: string) => JSON.parse(readFileSync(path, "utf8"));
  const manifest = json(blob(json(join(layout, "index.json")).manifests[0].digest));
  await unpack(blob(manifest.layers[0].digest), root);
  rmSync(layout, { recursive: true });
  return root;
}

/** An image of a folder that runs a program of Node.js; variables without spaces. */
export async function nodeImage(
  root: string,
  name: string,
  files: Readonly<Record<string, string>>,
  entry: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<Uint8Array> {
  for (const [path, text] of Object.entries(files)) await Bun.write(join(root, path), text);
  const out = join(root, "..", "image.tar");
  const ENVS = Object.entries(variables).map(([key, value]) => `${key}=${value}`).join(" ");
  const env = { ...process.env, USERID: "1000:1000", WORKDIR: "/app", ENVS };
  const make = ["bash", join(SCRIPTS, "mkimage.sh"), name, root, out, "/usr/bin/node", entry];
  const { status, stderr } = await run(make, env);
  if (status !== 0) throw new Error(`mkimage.sh: ${stderr}`);
  const bytes = readFileSync(out);
  rmSync(out);
  return bytes;
}
