import { SimulatedRandom } from "../../../base/simulated/random.ts";

/** As long as a name may be. */
const LONG = "a-service-whose-name-takes-all-of-the-sixty-three-letters-there";
const CRONLONG = "a-name-of-fifty-three-letters-one-more-than-crons-have";
const NAMES = ["api", "web-2", "search", "ledger", "orders", LONG, CRONLONG, "9lives"];
const NAMESPACES = ["shop", "site"];
const PORTS = [80, 3000, 8000, 8080, 9000, 9200];
const FOLDERS = ["/var/lib/data", "/srv/static", "/srv/media", "/app/log", "/etc/rules", "/tmp"];
const CONTAINERS = ["nginx", "worker", "collect", "cache", "mail", "logs", "app"];

interface Made {
  readonly name: string;
  readonly namespace: string;
  readonly port: number | undefined;
}

/**
 * A file of Apps, a YAML stream: most are right, some say what cannot be on a cluster. The same seed
 * gives the same file.
 */
export function randomApps(seed: number): string {
  const random = new SimulatedRandom(seed);
  const made = new Map<string, Made>();
  for (let count = random.integer(1, 5); count > 0; count--) {
    const [name, namespace] = [likely(random, NAMES), likely(random, NAMESPACES)];
    // Mostly one that no other has: callers listen on it too.
    const free = random.chance(0.9) ? PORTS[made.size]! : pick(random, PORTS);
    const port = random.chance(0.75) ? free : undefined;
    made.set(`${namespace}/${name}`, { name, namespace, port });
  }
  const apps = [...made.values()];
  return apps
    .map((app) => JSON.stringify(document(random, app, apps)))
    .join("\n---\n");
}

function pick<T>(random: SimulatedRandom, all: readonly T[]): T {
  return all[random.integer(0, all.length - 1)]!;
}

/** The first ones more often. */
function likely<T>(random: SimulatedRandom, all: readonly T[]): T {
  return all[Math.floor(random.next() ** 3 * all.length)]!;
}

type Fields = { [key: string]: unknown };

/** Each with this probability. */
function some(random: SimulatedRandom, probability: number, fields: () => Fields): Fields {
  return random.chance(probability) ? fields() : {};
}

function document(random: SimulatedRandom, { name, namespace, port }: Made, apps: readonly Made[]) {
  const label = random.chance(0.02) ? "two words" : "checkout";
  return {
    apiVersion: "outrigger.dev/v1alpha1",
    kind: "App",
    metadata: { name, namespace, ...some(random, 0.3, () => ({ labels: { team: label } })) },
    spec: {
      image: `registry.example.com/${name}:${random.integer(1, 9)}`,
      ...(port === undefined ? {} : { port }),
      ...lifeTime(random, port !== undefined),
      ...traffic(random, { name, namespace, port }, apps),
      ...pod(random),
    },
  };
}

function lifeTime(random: SimulatedRandom, isCalled: boolean): Fields {
  const form = isCalled ? random.integer(0, 2) : random.integer(0, 4);
  if (form === 0) return {};
  if (form === 1) {
    const min = random.integer(0, 3);
    const range = { min, max: min + random.integer(1, 4), cpu: `${random.integer(10, 300)}%` };
    return { replicas: random.chance(0.5) ? range : min };
  }
  if (form === 2) return random.chance(0.3) ? { perNode: true } : {};
  const job = { retries: random.integer(0, 5), ...some(random, 0.5, () => ({ timeout: "90s" })) };
  if (form === 3) return { job };
  const overlap = pick(random, ["forbid", "allow", "replace"]);
  return { job, schedule: { cron: `${random.integer(0, 59)} 3 * * 1-5`, overlap } };
}

function traffic(random: SimulatedRandom, own: Made, apps: readonly Made[]): Fields {
  const calls: Fields = {};
  for (const { name, namespace, port } of apps) {
    const isOther = name !== own.name || namespace !== own.namespace;
    if (!isOther || port === undefined || !random.chance(0.5)) continue;
    const policy = some(random, 0.5, () => ({ timeout: "2s", breaker: { errorRate: "50%" } }));
    calls[name] = namespace === own.namespace ? policy : { app: `${namespace}/${name}`, ...policy };
  }
  if (random.chance(0.2)) calls["mail"] = { host: "mail.example.com", port: pick(random, [587, 588, 589, 590, ...PORTS]) };
  if (random.chance(0.1)) calls["old"] = { endpoints: ["10.1.2.3:8181", "10.1.2.4:8181"] };
  const health = { ready: "/ready", ...some(random, 0.5, () => ({ live: "/live" })) };
  const names = apps.filter(({ namespace }) => namespace === own.namespace).map(({ name }) => name);
  return {
    calls,
    ...(own.port !== undefined && random.chance(0.7) ? { health } : {}),
    ...(own.port !== undefined && random.chance(0.2) ? { ingress: [{ host: `${own.name.slice(0, 20)}.${own.namespace}.example` }] } : {}),
    ...some(random, 0.15, () => ({ bypass: [{ port: pick(random, [7000, 7001, 7002, 7003, 7004, ...PORTS]), from: [pick(random, names)] }] })),
    ...some(random, 0.2, () => ({ dependencies: { db: dependency(random) } })),
    ...some(random, 0.15, () => ({ sidecar: { enabled: false } })),
    ...some(random, 0.1, () => ({ sidecar: { capture: "env" } })),
  };
}

function dependency(random: SimulatedRandom): Fields {
  return {
    host: pick(random, ["db.example.com", "10.9.8.7"]),
    port: 5432,
    ...some(random, 0.5, () => ({ wait: "1m" })),
    ...some(random, 0.5, () => ({ secret: "db-login" })),
  };
}

function pod(random: SimulatedRandom): Fields {
  const volumes: Fields = {};
  for (const name of ["data", "static", "tmp"]) {
    if (!random.chance(name === "tmp" ? 0.03 : 0.25)) continue;
    volumes[name] = { path: random.chance(0.9) ? `/srv/${name}` : likely(random, FOLDERS), ...some(random, 0.2, () => ({ size: "1Gi" })) };
  }
  const containers: Fields = {};
  for (let count = random.integer(-2, 3); count > 0; count--) {
    containers[likely(random, CONTAINERS)] = {
      image: "registry.example.com/other:1",
      ...some(random, 0.3, () => ({ role: "before" })),
      ...some(random, 0.3, () => ({ port: pick(random, [8100, 8101, 8102, 8103, 8104, 8105, ...PORTS]) })),
      ...some(random, 0.3, () => ({ env: { LEVEL: "info" } })),
      ...some(random, 0.2, () => ({ secrets: { TOKEN: "tokens/one" } })),
    };
  }
  return {
    volumes,
    containers,
    ...some(random, 0.3, () => ({ env: { LEVEL: "debug" } })),
    ...some(random, 0.3, () => ({ secrets: { [likely(random, ["PASSWORD", "KEY", "LEVEL"])]: "db/password" } })),
    ...some(random, 0.2, () => ({ config: { [pick(random, ["/etc/a.ini", "/etc/rules"])]: "a = 1\n" } })),
    ...some(random, 0.3, () => ({ container: { dir: "/app", user: random.integer(0, 3) * 1000 } })),
    ...some(random, 0.2, () => ({ container: { dir: "/app" }, logs: [{ file: "log/a.log" }] })),
    ...some(random, 0.2, () => ({ backup: { schedule: "0 3 * * *", keep: "7d" } })),
    ...some(random, 0.2, () => ({ resources: { cpu: "250m", memory: "300Mi" } })),
    ...some(random, 0.2, () => ({ placement: { spread: "require", nodes: { disk: "ssd" } } })),
  };
}
