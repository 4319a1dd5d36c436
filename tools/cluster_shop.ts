/** The shop on a cluster of ours: its stages, its load, and what its sidecars say. */
import { join } from "node:path";
import type { LoadReport } from "../src/operate/load.ts";
import { LOAD_SECONDS, type Measured, RATE, type RunningShop, until } from "./demo_report.ts";
import type { KubeCluster } from "./kube/cluster.ts";
import { SIDECAR_IMAGE } from "./shop_images.ts";
import { ROOT, type Stage, stageFiles } from "./shop.ts";

const OUTRIGGER = join(ROOT, "bin", "outrigger");
const NAMESPACE = "shop";
const SINK = `elasticsearch=http://elasticsearch-pods.${NAMESPACE}.svc.cluster.local:9200`;
const ADMIN_PORT = 15020;
const SETTLED_SECONDS = 90;
const BREAKER_STATES: Readonly<Record<string, string>> = { 0: "closed", 1: "half-open", 2: "open" };

interface Pod {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly status: { readonly podIP?: string };
}

export class ClusterShop implements RunningShop {
  constructor(readonly cluster: KubeCluster) {}

  /** Renders and applies a stage; resolves when all of it is in force and what it replaced is gone. */
  async apply(stage: Stage): Promise<void> {
    const sink = stage === "v2" || stage === "v3" ? ["--sink", SINK] : [];
    const like = ["--kubernetes", "1.35", "--image", SIDECAR_IMAGE, "--monitoring", "annotations"];
    const render = [OUTRIGGER, "render", ...stageFiles(stage), ...like, ...sink];
    const { status, stdout, stderr } = await this.cluster.inside(render);
    if (status !== 0) throw new Error(`outrigger render: ${stderr}`);
    await this.cluster.kubectl(["apply", "--server-side", "-f", "-"], stdout);
    const { items } = await this.#json<{ items: Pod[] }>("get", "deployments");
    await Promise.all(
      items.map(({ metadata }) => {
        return this.kubectl("rollout", "status", `deployment/${metadata.name}`, "--timeout=90s");
      }),
    );
    const settled = await until(SETTLED_SECONDS, async () => ((await this.#settled()) ? true : null));
    if (settled === null) throw new Error(`not in force after ${SETTLED_SECONDS} s`);
  }

  /** Whether no pod leaves, each sidecar has its Snapshot, and the page is answered. */
  async #settled(): Promise<boolean> {
    const pods = await this.#pods();
    if (pods.some(({ metadata }) => metadata.deletionTimestamp !== undefined)) return false;
    for (const app of ["frontend", "api"]) {
      const wanted = await this.#snapshotVersion(app);
      if (wanted === null) continue;
      const metrics = await this.#metrics(app);
      if (!metrics.includes(`outrigger_build_info{version="${wanted}"}`)) return false;
    }
    const page = await this.cluster.get(`${await this.url("frontend")}/`);
    // As long as names lead to pods that are gone, there is no answer of the API itself.
    return page.status === 200 || page.body.includes("the API answered 500");
  }

  async #snapshotVersion(app: string): Promise<string | null> {
    const name = `${app}-outrigger`;
    const map = await this.kubectl("get", "configmap", name, "--ignore-not-found", "-o", "json");
    if (map === "") return null;
    return JSON.parse(JSON.parse(map).data["snapshot.json"]).version;
  }

  kubectl(...words: readonly string[]): Promise<string> {
    return this.cluster.kubectl(["-n", NAMESPACE, ...words]);
  }

  async #json<T>(...words: readonly string[]): Promise<T> {
    return JSON.parse(await this.kubectl(...words, "-o", "json")) as T;
  }

  async #pods(app?: string): Promise<readonly Pod[]> {
    const selector = app === undefined ? [] : ["-l", `app.kubernetes.io/name=${app}`];
    return (await this.#json<{ items: Pod[] }>("get", "pods", ...selector)).items;
  }

  /** Their names with the restarts of each container: what says whether anything began anew. */
  podsAndRestarts(app: string): Promise<string> {
    const all = "{.metadata.name}{..restartCount}{' '}";
    const form = `jsonpath={range .items[*]}${all}{end}`;
    return this.kubectl("get", "pods", "-l", `app.kubernetes.io/name=${app}`, "-o", form);
  }

  /** Of a Service, from the node. */
  async url(service: string): Promise<string> {
    type Service = { spec: { clusterIP: string; ports: { port: number }[] } };
    const { spec } = await this.#json<Service>("get", "service", service);
    return `http://${spec.clusterIP}:${spec.ports[0]!.port}`;
  }

  /** What the sidecar of an app's only pod counts; nothing where it has none. */
  async #metrics(app: string): Promise<string> {
    const [pod] = await this.#pods(app);
    const url = `http://${pod?.status.podIP}:${ADMIN_PORT}/metrics`;
    const { status, body } = await this.cluster.get(url);
    return status === 200 ? body : "";
  }

  /** The sum of a metric's lines that have a text in them. */
  async counted(app: string, metric: string, having = ""): Promise<number> {
    const lines = (await this.#metrics(app)).split("\n");
    const counts = lines.filter((line) => line.startsWith(`${metric}{`) && line.includes(having));
    return counts.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
  }

  /** Asks the API what it counts, or tells it how to be. */
  async #admin(path: string, method: "GET" | "POST"): Promise<unknown> {
    const { status, body } = await this.cluster.get(`${await this.url("api")}${path}`, { method });
    if (status !== 200) throw new Error(`${method} ${path} answered ${status}: ${body}`);
    return JSON.parse(body);
  }

  async measure(seconds = LOAD_SECONDS): Promise<Measured> {
    await this.#admin("/admin/count", "POST");
    const canned = () => this.counted("frontend", "outrigger_fallbacks_total");
    const before = await canned();
    const load = ["load", `${await this.url("frontend")}/`, "--rate", String(RATE)];
    const options = ["--duration", `${seconds}s`, "-o", "json"];
    const { stdout, stderr } = await this.cluster.inside([OUTRIGGER, ...load, ...options]);
    if (stdout === "") throw new Error(`outrigger load: ${stderr}`);
    const report = JSON.parse(stdout) as LoadReport;
    const tries = (await this.#admin("/admin/count", "GET")) as Measured["tries"];
    return { report, tries, canned: (await canned()) - before };
  }

  async setMode(to: "ill" | "down" | "healed"): Promise<void> {
    await this.#admin(`/admin/mode?to=${to}`, "POST");
  }

  async page(): Promise<string> {
    return (await this.cluster.get(`${await this.url("frontend")}/`)).body;
  }

  async breaker(): Promise<string> {
    const state = await this.counted("frontend", "outrigger_breaker_state", 'cluster="api"');
    return BREAKER_STATES[state] ?? "unknown";
  }
}
