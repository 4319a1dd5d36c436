/** The shop on a real cluster: API server, kubelet, containerd, DNS, enforced NetworkPolicy. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseAllDocuments } from "yaml";
import { outriggerImage } from "../tools/image.ts";
import { digestOf } from "../tools/oci.ts";
import { clusterMissing, KubeCluster, nodeImage, nodeRoot } from "../tools/kube/cluster.ts";
import { formsFile, heard, slowDatabase } from "./kit/forms.ts";
import { Place, ROOT } from "./kit/outrigger.ts";
import { partOf } from "./kit/parts.ts";
import { until, untilTrue } from "./kit/poll.ts";
import { scrapeConfigOf } from "./kit/service_monitor.ts";

setDefaultTimeout(180_000);

const FILE = join(ROOT, "examples", "shop", "kubernetes.yaml");
const HOST = "shop.example.com";

function without(text: string, kind: string): string {
  const documents = text.split(/^---\n/m);
  return documents.filter((one) => !one.includes(`\nkind: ${kind}\n`)).join("---\n");
}

const missing = clusterMissing();
if (missing !== null) {
  if (process.env["CI"] === "true") throw new Error(missing);
  console.log(`skipped: no cluster: ${missing}`);
}

describe.skipIf(missing !== null)("on a cluster", () => {
  const cluster = new KubeCluster();
  const place = new Place();
  let gateway = "";

  const kubectl = (...words: string[]): Promise<string> => cluster.kubectl(["-n", "shop", ...words]);
  const json = async (...words: string[]) => JSON.parse(await kubectl(...words, "-o", "json"));
  const podsOf = async (app: string): Promise<any[]> => {
    const { items } = await json("get", "pods", "-l", `app.kubernetes.io/name=${app}`);
    return items.filter((pod: any) => pod.metadata.deletionTimestamp === undefined);
  };
  const setMode = async (to: "ill" | "down" | "healed"): Promise<void> => {
    for (const pod of await podsOf("api")) {
      const url = `http://${pod.status.podIP}:15006/admin/mode?to=${to}`;
      expect((await cluster.get(url, { method: "POST" })).status).toBe(200);
    }
  };
  const rendered = async (...options: string[]): Promise<string> => {
    const all = ["render", FILE, "--kubernetes", "1.35", "--image", "e2e.local/outrigger:1"];
    const { status, stdout, stderr } = await place.outrigger(...all, ...options);
    expect([status, stderr]).toEqual([0, ""]);
    return stdout;
  };
  /** The objects whose kinds this cluster has. */
  const apply = async (text: string): Promise<void> => {
    const known = ["PodMonitor", "PrometheusRule"].reduce(without, text);
    await cluster.kubectl(["apply", "--server-side", "--force-conflicts", "-f", "-"], known);
  };
  const rolledOut = (app: string): Promise<string> => {
    return kubectl("rollout", "status", `deployment/${app}`, "--timeout=90s");
  };

  beforeAll(async () => {
    const built = await place.startProgram(["make", "build"], ROOT).ended;
    if (built.status !== 0) throw new Error(`make build: ${built.stderr}`);
    await cluster.start();
    const binary = join(ROOT, "dist", "outrigger");
    await cluster.load(outriggerImage(binary, "e2e.local/outrigger:1"));
    await cluster.load(outriggerImage(binary, "e2e.local/outrigger:2"));
    const root = await nodeRoot();
    for (const [app, file] of [
      ["frontend", "frontend.js"],
      ["api", "api.js"],
    ] as const) {
      const text = readFileSync(join(ROOT, "examples", "shop", app, file), "utf8");
      const files = { [`app/${file}`]: text };
      // On every address: that nobody comes to the app itself is then the policies' work alone.
      const listens = { HOST: "0.0.0.0" };
      const name = `registry.example.com/shop/${app}:1`;
      await cluster.load(await nodeImage(root, name, files, `/app/${file}`, listens));
    }
    rmSync(dirname(root), { recursive: true });
    const text = await rendered();
    // A job calls at once what has to be there by then.
    await apply(without(text, "Job"));
    await Promise.all(["frontend", "api", "gateway"].map(rolledOut));
    gateway = (await json("get", "service", "gateway")).spec.clusterIP;
  }, 600_000);

  afterAll(async () => {
    await cluster.end();
    await place.end();
  }, 60_000);

  test("S2-14 S2-15 the shop serves its page through the gateway and both sidecars", async () => {
    // Names of pods that were not ready a moment ago are asked for again within seconds.
    await setMode("healed");
    const page = await until("the page with its catalogue", async () => {
      const answer = await cluster.get(`http://${gateway}/`, { host: HOST });
      return answer.status === 200 && answer.body.includes("Ash paddle") ? answer : null;
    });
    expect(page.body).toContain("<title>The shop</title>");
    const [pod] = await podsOf("frontend");
    const metrics = await cluster.get(`http://${pod.status.podIP}:15020/metrics`);
    expect(metrics.body).toContain('outrigger_requests_total{listener="inbound"');
    const service = await json("get", "service", "frontend");
    expect(service.spec.ports[0].targetPort).toBe(15006);
  });

  test("S3-20 DELETE is refused at the door, and GET is not", async () => {
    const refused = await cluster.get(`http://${gateway}/`, { host: HOST, method: "DELETE" });
    expect(refused.status).toBe(403);
  });

  test("S3-36 the rendered Snapshot has the policy that up uses", async () => {
    for (const app of ["frontend", "api"]) {
      const local = await place.outrigger("compile", FILE, "--app", app, "-o", "json");
      const map = await json("get", "configmap", `${app}-outrigger`);
      const there = JSON.parse(map.data["snapshot.json"]);
      expect(there.policyHash).toBe(JSON.parse(local.stdout).policyHash);
    }
  });

  test("S2-17 the API's log file comes out structured of kubectl logs", async () => {
    await cluster.get(`http://${gateway}/`, { host: HOST });
    const record = await until("a structured event", async () => {
      const lines = (await kubectl("logs", "deployment/api", "-c", "outrigger")).split("\n");
      const found = lines.find((line) => line.includes('"event":"items_listed"'));
      return found === undefined ? null : JSON.parse(found);
    });
    expect(record).toMatchObject({ level: "info", app: "api", namespace: "shop" });
  });

  test("S0-1 an event that an app emits on localhost comes out at the sink of its pod's sidecar", async () => {
    const emit =
      "fetch('http://127.0.0.1:5514/',{method:'POST',headers:{'content-type':'application/json'}," +
      "body:JSON.stringify({event:'seen'})}).then((a)=>process.exit(a.ok?0:1))";
    const file = place.write(
      "emitter.yaml",
      `apiVersion: outrigger.dev/v1alpha1
kind: App
metadata: { name: emitter, namespace: shop }
spec:
  image: registry.example.com/shop/api:1
  job: { retries: 0 }
  container: { command: [/usr/bin/node, -e, "${emit}"] }
  pipelines: [seen]
---
apiVersion: outrigger.dev/v1alpha1
kind: Pipeline
metadata: { name: seen, namespace: shop }
spec:
  sources: { app: { http: { listen: "http://127.0.0.1:5514" } } }
  steps: [{ enrich: { fields: { app: emitter } } }]
  sinks: { out: { stdout: {} } }
`,
    );
    await apply(await rendered(file));
    await kubectl("wait", "--for=condition=complete", "job/emitter", "--timeout=60s");
    const said = await kubectl("logs", "job/emitter", "-c", "outrigger");
    const event = said.split("\n").find((line) => line.includes('"seen"'));
    expect(JSON.parse(event!)).toEqual({ event: "seen", app: "emitter" });
  });

  test("S4-37 S4-38 a job starts when its sidecar is ready, and completes although it runs", async () => {
    await apply(await rendered());
    await kubectl("wait", "--for=condition=complete", "job/stocktaking", "--timeout=60s");
    expect(await kubectl("logs", "job/stocktaking", "-c", "app")).toBe("200 true\n");
  });

  test("the breaker opens, and the canned answer is served", async () => {
    await setMode("down");
    const degraded = await until("a degraded page", async () => {
      const pages = await Promise.all(
        Array.from({ length: 20 }, () => cluster.get(`http://${gateway}/`, { host: HOST })),
      );
      expect(pages.map(({ status }) => status)).toEqual(Array(20).fill(200));
      const states = await Promise.all(
        (await podsOf("frontend")).map(async ({ status }) => {
          const { body } = await cluster.get(`http://${status.podIP}:15020/metrics`);
          return /outrigger_breaker_state\{cluster="api"\} (\d)/.exec(body)?.[1];
        }),
      );
      return states.includes("2") ? pages : null;
    });
    expect(degraded.some(({ body }) => !body.includes("Ash paddle"))).toBe(true);
    await setMode("healed");
    await untilTrue("the catalogue is back", async () => {
      return (await cluster.get(`http://${gateway}/`, { host: HOST })).body.includes("Ash paddle");
    });
  });

  test("S3-35 a rolling update and a rollback under load fail no request", async () => {
    const url = `http://${gateway}/`;
    const load = [join(ROOT, "bin", "outrigger"), "load", url, "--rate", "40", "--duration", "60s"];
    const running = cluster.inside([...load, "-H", `Host: ${HOST}`, "-o", "json"]);
    await kubectl("set", "env", "deployment/frontend", "-c", "app", "EDITION=2");
    await rolledOut("frontend");
    await kubectl("rollout", "restart", "deployment/gateway");
    await rolledOut("gateway");
    await kubectl("rollout", "undo", "deployment/frontend");
    await rolledOut("frontend");
    const { status, stdout, stderr } = await running;
    const report = JSON.parse(stdout);
    // Whole, so that a failure says what became of the requests.
    expect([status, stderr, report]).toEqual([0, "", { ...report, successRate: 1 }]);
  });

  test("S1-13 S1-14 a sidecar that is killed, or has a new image, restarts without the app", async () => {
    const [pod] = await podsOf("api");
    const { name, uid } = pod.metadata;
    const containerOf = (now: any, kind: string, one: string) => {
      return now.status[kind].find((status: any) => status.name === one);
    };
    const app = containerOf(pod, "containerStatuses", "app").containerID;
    const group = uid.replaceAll("-", "[-_]");
    const kill = `for p in $(pgrep -x outrigger); do grep -q '${group}' /proc/$p/cgroup && kill -9 $p; done; true`;
    expect((await cluster.onNode(["bash", "-c", kill])).status).toBe(0);
    const restarted = (times: number, image: string) =>
      until(`restart ${times}`, async () => {
        const now = await json("get", "pod", name);
        const sidecar = containerOf(now, "initContainerStatuses", "outrigger");
        const done = sidecar.restartCount >= times && sidecar.ready && sidecar.image.includes(image);
        return done ? now : null;
      }, 90_000);
    const after = await restarted(1, "outrigger:1");
    expect(containerOf(after, "containerStatuses", "app").containerID).toBe(app);
    await kubectl("set", "image", `pod/${name}`, "outrigger=e2e.local/outrigger:2");
    const upgraded = await restarted(2, "outrigger:2");
    expect(containerOf(upgraded, "containerStatuses", "app").containerID).toBe(app);
    expect(containerOf(upgraded, "containerStatuses", "app").restartCount).toBe(0);
  });

  test("S1-11 a sidecar that is out of memory is restarted, and its app is not", async () => {
    const [pod] = await podsOf("frontend");
    const { name, uid } = pod.metadata;
    const before = pod.status.containerStatuses.find((one: any) => one.name === "app").containerID;
    // The limit comes down to what it uses; then it is given work.
    const squeeze = `for p in $(pgrep -x outrigger); do grep -q '${uid.replaceAll("-", "[-_]")}' /proc/$p/cgroup || continue
      c=/sys/fs/cgroup/memory$(sed -n 's/^[0-9]*:memory://p' /proc/$p/cgroup)
      echo $(($(cat $c/memory.usage_in_bytes) + 1000000)) > $c/memory.limit_in_bytes || exit 1; done`;
    const squeezed = await cluster.onNode(["bash", "-c", squeeze]);
    expect([squeezed.status, squeezed.stderr]).toEqual([0, ""]);
    const url = `http://${pod.status.podIP}:15006/healthz`;
    const load = ["load", url, "--connections", "256", "--duration", "5s"];
    const ended = cluster.inside([join(ROOT, "bin", "outrigger"), ...load]);
    const after = await until("the sidecar was killed and is back", async () => {
      const now = await json("get", "pod", name);
      const sidecar = now.status.initContainerStatuses.find((one: any) => one.name === "outrigger");
      return sidecar.restartCount > 0 && sidecar.ready ? now.status : null;
    }, 60_000);
    await ended;
    const sidecar = after.initContainerStatuses.find((one: any) => one.name === "outrigger");
    expect(sidecar.lastState.terminated.exitCode).toBe(137);
    const app = after.containerStatuses.find((one: any) => one.name === "app");
    expect([app.containerID, app.restartCount]).toEqual([before, 0]);
  });

  test("S0-13 the program is the same in and out of Kubernetes, in every kind of pod", async () => {
    const { stdout, stderr } = await cluster.onNode([
      "bash",
      "-c",
      "for p in $(pgrep -x outrigger); do sha256sum < /proc/$p/exe; done | sort -u",
    ]);
    const own = createHash("sha256").update(readFileSync(join(ROOT, "dist", "outrigger")));
    expect([stdout, stderr]).toEqual([`${own.digest("hex")}  -\n`, ""]);
  });

  test("S2-7 the image is made of the binary without a container tool, the same bytes again", () => {
    const binary = join(ROOT, "dist", "outrigger");
    const again = outriggerImage(binary, "e2e.local/outrigger:1");
    expect(digestOf(again)).toBe(digestOf(outriggerImage(binary, "e2e.local/outrigger:1")));
    expect(again.length).toBeLessThan(150e6);
  });

  test("S2-13 a changed ConfigMap comes into force without a restart", async () => {
    const map = await json("get", "configmap", "frontend-outrigger");
    const snapshot = JSON.parse(map.data["snapshot.json"]);
    const version = "0123456789abcdef";
    const data = { "snapshot.json": JSON.stringify({ ...snapshot, version }) };
    await kubectl("patch", "configmap", "frontend-outrigger", "-p", JSON.stringify({ data }));
    await untilTrue("the new version", async () => {
      const said = await kubectl("logs", "deployment/frontend", "-c", "outrigger");
      return said.includes(`"subject":"${version}"`);
    }, 90_000);
  });

  test("S4-6 S4-42 NetworkPolicy: nobody comes past a sidecar, nor from a namespace that calls nothing", async () => {
    const [api] = await podsOf("api");
    const [front] = await podsOf("frontend");
    const ip = api.status.podIP;
    const fetched = (port: number): string =>
      `fetch('http://${ip}:${port}/items',{signal:AbortSignal.timeout(3000)})` +
      `.then((a)=>console.log(a.status),()=>console.log('blocked'))`;
    const from = (words: string[], port: number) => {
      return cluster.kubectl([...words, "--", "/usr/bin/node", "-e", fetched(port)]);
    };
    const frontend = ["-n", "shop", "exec", front.metadata.name, "-c", "app"];
    expect(await from(frontend, 15006)).toBe("200\n");
    expect(await from(frontend, 9000)).toBe("blocked\n");
    await cluster.kubectl(["create", "namespace", "elsewhere"]);
    const pod = {
      ...{ apiVersion: "v1", kind: "Pod", metadata: { name: "stranger", namespace: "elsewhere" } },
      spec: {
        containers: [
          {
            ...{ name: "app", image: "registry.example.com/shop/api:1" },
            command: ["/usr/bin/node", "-e", "setInterval(() => {}, 1000)"],
          },
        ],
        terminationGracePeriodSeconds: 0,
      },
    };
    await cluster.kubectl(["apply", "-f", "-"], JSON.stringify(pod));
    await cluster.kubectl(["-n", "elsewhere", "wait", "--for=condition=Ready", "pod/stranger"]);
    const stranger = ["-n", "elsewhere", "exec", "stranger"];
    expect(await from(stranger, 15006)).toBe("blocked\n");
    const udp =
      "const s=require('dgram').createSocket('udp4');s.bind(5005);s.on('message',()=>console.log('heard'));" +
      "setTimeout(()=>process.exit(0),3000)";
    const hears = cluster.kubectl([...stranger, "--", "/usr/bin/node", "-e", udp]);
    const { items } = JSON.parse(
      await cluster.kubectl(["-n", "elsewhere", "get", "pods", "-o", "json"]),
    );
    const send =
      `const s=require('dgram').createSocket('udp4');let n=0;` +
      `const t=setInterval(()=>{s.send('x',5005,'${items[0].status.podIP}');if(++n>8){clearInterval(t);s.close()}},200)`;
    await cluster.kubectl([...frontend, "--", "/usr/bin/node", "-e", send]);
    expect(await hears).toBe("");
  });

  test("S1-9 S4-31 the autoscaler looks at the app's container alone", async () => {
    const { spec } = await json("get", "hpa", "frontend");
    expect(spec.metrics[0].containerResource).toMatchObject({ name: "cpu", container: "app" });
    expect((await json("get", "hpa")).items.map((one: any) => one.metadata.name)).toEqual(["frontend"]);
  });

  test("S3-12 S4-41 S1-7 a database, a port past the sidecar and workers are reached by whom they are declared for", async () => {
    const image = "registry.example.com/shop/api:1";
    await cluster.kubectl(["create", "namespace", "outside"]);
    await cluster.kubectl(["apply", "-f", "-"], slowDatabase(image, "outside"));
    const inOutside = ["-n", "outside", "get", "pod", "db", "-o", "json"];
    const db = await until("the database's address", async () => {
      return JSON.parse(await cluster.kubectl(inOutside)).status.podIP ?? null;
    });
    const applyForms = async (open: boolean): Promise<void> => {
      const file = place.write("forms.yaml", formsFile(image, db, open));
      const options = ["--kubernetes", "1.35", "--image", "e2e.local/outrigger:1"];
      const { status, stdout } = await place.outrigger("render", file, ...options);
      expect(status).toBe(0);
      await apply(stdout);
    };
    await applyForms(true);
    const inForms = (...words: string[]) => cluster.kubectl(["-n", "forms", ...words]);
    for (const name of ["web", "web-worker", "store", "old", "other"]) {
      await inForms("rollout", "status", `deployment/${name}`, "--timeout=90s");
    }
    const node = (app: string, program: string): Promise<string> => {
      return inForms("exec", `deployment/${app}`, "-c", "app", "--", "/usr/bin/node", "-e", program);
    };
    // The pod waited until the database took connections, and only then was the app started.
    const { items } = JSON.parse(await inForms("get", "pods", "-o", "json"));
    const web = items.find((one: any) => one.metadata.labels["app.kubernetes.io/name"] === "web");
    const waited = web.status.initContainerStatuses.find((one: any) => one.name === "wait-db");
    expect(waited.state.terminated.exitCode).toBe(0);
    const { status: started } = JSON.parse(await cluster.kubectl(inOutside));
    const since = Date.parse(started.containerStatuses[0].state.running.startedAt);
    expect(Date.parse(waited.state.terminated.finishedAt) - since).toBeGreaterThanOrEqual(4_000);
    // By the dependency's own name, and nobody else.
    expect(await node("web", heard("db", 5432))).toBe("db\n");
    expect(await node("other", heard("db", 5432))).toBe("blocked\n");
    expect(await node("web", heard("store-pods", 9042))).toBe("store\n");
    expect(await node("other", heard("store-pods", 9042))).toBe("blocked\n");
    const worker =
      "fetch('http://web-worker:8000/',{signal:AbortSignal.timeout(3000)}).then((a)=>a.text())" +
      ".then(console.log,()=>console.log('blocked'))";
    expect([await node("web", worker), await node("other", worker)]).toEqual(["worker\n", "blocked\n"]);
    // A sidecar that is no native one answers the app's first call all the same.
    expect(await inForms("logs", "deployment/old", "-c", "app")).toMatch(/^answered (200|503)\n/);
    // The line goes, and with it the way.
    await applyForms(false);
    await untilTrue("the way is closed", async () => {
      return (await node("web", heard("store-pods", 9042))) === "blocked\n";
    });
  });

  test("S2-16 a ServiceMonitor's targets are up in a real Prometheus, each pod with its App's name", async () => {
    const text = await rendered("--monitoring", "services");
    await apply(without(text, "ServiceMonitor"));
    const kinds = parseAllDocuments(text).map((one) => one.toJS());
    const monitor = kinds.find(({ kind }) => kind === "ServiceMonitor");
    const get = (...words: readonly string[]) => json("get", ...words);
    const apps = ["api", "frontend", "gateway"];
    // The autoscaler may start one more behind this.
    const { pods, found } = await until("an endpoint of each pod", async () => {
      const pods = (await Promise.all(apps.map(podsOf))).flat().map((pod) => pod.metadata.name);
      const found = await scrapeConfigOf(monitor, get);
      return pods.every((pod) => found.includes(pod)) ? { pods, found } : null;
    });
    const config = place.write("prometheus.yaml", found);
    const { command, env } = cluster.command([
      ...[await partOf("prometheus"), `--config.file=${config}`, "--log.level=error"],
      ...[`--storage.tsdb.path=${place.path("prometheus")}`, "--web.listen-address=127.0.0.1:9090"],
    ] as string[]);
    const prometheus = Bun.spawn(command, { env, stdout: "ignore", stderr: "ignore" });
    try {
      await untilTrue("each pod is a target that is up", async () => {
        const { body } = await cluster.get("http://127.0.0.1:9090/api/v1/query?query=up");
        const all = JSON.parse(body).data.result as { metric: any; value: [number, string] }[];
        const up = all.filter(({ metric, value }) => value[1] === "1" && metric.job === "outrigger");
        const seen = new Set(up.map(({ metric }) => metric.pod));
        const named = new Set(up.map(({ metric }) => metric.app));
        return pods.every((pod) => seen.has(pod)) && apps.every((app) => named.has(app));
      }, 60_000);
    } finally {
      prometheus.kill();
      await prometheus.exited;
    }
  });
});
