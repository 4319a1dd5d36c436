import type { CheckReport, ObjectOf } from "../schema/field.ts";
import {
  boolean,
  choice,
  duration,
  integer,
  list,
  map,
  object,
  oneOf,
  percent,
  port,
  text,
} from "../schema/field.ts";
import type { Node, Path } from "../schema/node.ts";
import { nodeAt, pathText } from "../schema/node.ts";
import { nearest } from "../schema/spelling.ts";
import { faults } from "./fault_spec.ts";
import {
  LABEL_EXPECTED,
  LABEL_PATTERN,
  appReference,
  hostMatch,
  hostName,
} from "./names.ts";
import { balance, checkBalance, describedEndpoint, subset } from "./balance_spec.ts";
import { healthCheck, outlier } from "./health_spec.ts";
import { deny } from "./deny_spec.ts";
import { filters } from "./filter_spec.ts";
import { log } from "./log_spec.ts";
import { checkLimitKey, rateLimit } from "./rate_limit_spec.ts";
import { env, pods, replicas } from "./pods_spec.ts";
import { pathPattern } from "./path_pattern.ts";
import {
  checkBackends,
  checkEdits,
  checkOwnAnswer,
  checkPrefixes,
  routeActionShape,
} from "./route_actions.ts";
import { requestMatch } from "./request_match.ts";
import { sidecar } from "./sidecar_spec.ts";
import { bypass, checkBypass, dependencies } from "./dependency_spec.ts";
import { templateNames, templateProblem } from "./template.ts";
import { tls } from "./tls_spec.ts";
import { callTls } from "./call_tls_spec.ts";
import {
  config,
  container,
  containers,
  cronSchedule,
  imageName,
  job,
  overrides,
  placement,
  schedule,
  secrets,
  serviceAccount,
  volumes,
} from "./workload_spec.ts";
import {
  breaker,
  checkOpenTrigger,
  checkRequestPolicy,
  computeResources,
  fallback,
  limits,
  responseValidation,
  retry,
  streamIdleTimeout,
  timeout,
} from "./traffic.ts";

/** The App file: what an app is and what it calls. Parsed durations are ms, percents ratios. */

// ---------------------------------------------------------------- how it runs

const run = object({
  command: oneOf(
    list(text({ minLength: 0 }), { min: 1, max: 1000 }),
    text().as((line): readonly string[] => ["/bin/sh", "-c", line]),
  )
    .about(
      "The program with its arguments, started as it is. A text instead of a list is given to " +
        "`/bin/sh -c`. Templates: `{{run.port}}`, `{{calls.NAME.url}}` as in `env`.",
    )
    .example(["node", "api.js"])
    .example("npm start"),
  dir: text({ maxLength: 4096 })
    .about("The folder that it runs in, from the folder of this file. That folder by default.")
    .default(".")
    .example("./api"),
  port: port()
    .about(
      "Where this process listens on this machine. The sidecar takes `port`, so it must be " +
        "another one; without a sidecar `port` by default.",
    )
    .optional()
    .example(19000),
});

const health = object({
  ready: healthPath("answers 200 when the app can take requests").example("/healthz"),
  live: healthPath("answers 200 while the app works; if it stops, the app is restarted").example(
    "/livez",
  ),
});

function healthPath(what: string) {
  return text({
    pattern: /^\/[^\s#]*$/,
    expected: 'a path such as "/healthz"',
    maxLength: 1024,
  })
    .about(`A GET of this path ${what}.`)
    .optional();
}

// ---------------------------------------------------------------- what reaches it

const ingress = object({
  host: hostMatch()
    .about('The name that people ask for; "*.example.com" is any name below, "*" any at all.')
    .example("shop.example.com"),
  paths: list(pathPattern(), { min: 1, max: 100 })
    .about(
      "Which paths reach this App: `/items` exactly, `/items/*` with all below, `/users/{id}` " +
        "with any one segment there, `~/v[0-9]+/.*` by a regular expression. All by default.",
    )
    .default(["/*"]),
  deny: deny
    .about("Requests that are answered 403 instead, at the gateway. None by default.")
    .default([])
    .example([{ methods: ["DELETE"], notFrom: ["203.0.113.0/24"] }]),
});

const backend = object({
  app: appReference().about("Another App. Either this or `call`.").optional(),
  call: text().about("A name of `calls`, with its policies.").optional(),
  weight: integer({ min: 0, max: 1_000_000 })
    .about("Its share of the sum of all weights. 1.")
    .default(1)
    .example(90),
}).check((value, report) => {
  if (value.app !== undefined && value.call !== undefined) {
    report("call", "a backend with both app and call", "keep one");
  }
  if (value.app === undefined && value.call === undefined) {
    report("", "a backend with neither app nor call", "add app: NAME");
  }
});

const route = object({
  path: pathPattern()
    .about(
      "Which requests: `/items` exactly, `/items/*` with all below, `/users/{id}/orders` with " +
        "any one segment there, `~/v[0-9]+/.*` by a regular expression for the whole path (RE2's " +
        "syntax, which cannot run away). The most specific wins: exact, then the longest prefix.",
    )
    .example("/api/*")
    .example("/users/{id}/orders"),
  host: hostMatch().about("Only for this name; any by default.").default("*"),
  match: requestMatch
    .about(
      "What else a request must be; all of it. Of two routes of one path the one with methods " +
        "goes first, then the one with more headers, with more query parameters, the first.",
    )
    .default({})
    .example({ headers: { "x-canary": "always" } }),
  to: text()
    .about("A name of `calls`, or another App. The app itself by default.")
    .example("api")
    .optional(),
  backends: list(backend, { min: 1, max: 100 })
    .about("Several, by weight, instead of `to`.")
    .example([
      { call: "api", weight: 90 },
      { app: "api-next", weight: 10 },
    ])
    .optional(),
  ...routeActionShape,
})
  .checkOf(["timeout", "retry"], checkRequestPolicy)
  .checkOf(["rewrite", "redirect", "path"], (value, report) => {
    checkPrefixes(value, value.path, report);
  })
  .checkOf(["rateLimit", "path"], (value, report) => {
    checkLimitKey(value.rateLimit, value.path, report);
  })
  .checkOf(["redirect", "respond", "to", "backends"], (value, report) => {
    const target = value.to !== undefined ? "to" : value.backends !== undefined ? "backends" : null;
    checkOwnAnswer(value, target, report);
  })
  .checkOf(["cors", "sticky", "headers"], checkEdits)
  .checkOf(["backends", "sticky"], checkBackends)
  .checkOf(["to", "backends"], (value, report) => {
    if (value.to !== undefined && value.backends !== undefined) {
      report("backends", "a route with both to and backends", "keep one");
    }
  });

// ---------------------------------------------------------------- what it calls

const call = object({
  app: appReference()
    .about(
      'The App that is called: "api", or "shop/api" in another namespace. This key by default.',
    )
    .example("shop/api")
    .optional(),
  host: hostName()
    .about(
      "A name outside instead of an App: every address that DNS gives for it is used, and asked " +
        "for again when its time to live ends. With `port`.",
    )
    .example("api.payments.example")
    .optional(),
  port: port().about("The port of `host`.").example(80).optional(),
  endpoints: list(describedEndpoint, { min: 1, max: 1000 })
    .about("Fixed addresses instead of an App.")
    .example(["10.0.0.1:80", "10.0.0.2:80"])
    .example([{ address: "10.0.0.1:80", weight: 3, zone: "eu-1", labels: { version: "v2" } }])
    .optional(),
  tls: callTls
    .about("Connections to the callee go by TLS, and it has to show a certificate for its name.")
    .optional()
    .example({ ca: "certs/ca.pem" }),
  timeout,
  idleTimeout: streamIdleTimeout,
  connectTimeout: duration({ min: "1ms", max: "10m" })
    .about(
      "How long a connection may take to open. 3s: a lost first packet is sent again after one " +
        "second, and the second of these still fits.",
    )
    .default("3s")
    .example("250ms"),
  rateLimit: rateLimit.about("Answers 429 to calls that come faster. None.").optional(),
  faults: faults.about("Delays or refuses a part of the calls on purpose. None.").optional(),
  filters: filters
    .about("Code of your own for these calls, in this order, as `filters` of the App. None.")
    .default([])
    .example(["filters/sign_request.ts"]),
  retry: retry.about("Tries again what failed, on another endpoint. None by default.").optional(),
  breaker: breaker
    .about(
      "Stops calling what is ill: counts tries, opens on a raised error rate, answers at once " +
        "while open (503, or `fallback`), and probes. None by default.",
    )
    .optional(),
  limits: limits.about("What is above is answered 503 at once, or by `fallback`.").default({}),
  fallback: fallback
    .about("A canned answer where there is no real one. None by default.")
    .optional(),
  balance: balance
    .about("How an endpoint is chosen: a policy, or more about it. Each in turn by default.")
    .default("round-robin")
    .example("least-request")
    .example({ policy: "maglev", hashBy: { cookie: "session" } }),
  subset,
  responseValidation,
  health: healthCheck
    .about("Asks every endpoint how it is, and leaves out who is ill. None by default.")
    .optional()
    .example({ path: "/healthz" }),
  outlier: outlier
    .about(
      "Leaves out endpoints whose tries fail, for a while; `balance.slowStart` lets them back " +
        "gradually. None by default.",
    )
    .optional(),
})
  .checkOf(["balance", "subset", "endpoints"], checkBalance)
  .checkOf(["timeout", "retry"], checkRequestPolicy)
  .checkOf(["rateLimit"], (value, report) => checkLimitKey(value.rateLimit, undefined, report))
  .checkOf(["breaker", "fallback"], (value, report, node) => {
    checkOpenTrigger(node, value.breaker !== undefined, report);
  })
  .checkOf(["tls", "endpoints"], (value, report) => {
    if (value.tls === undefined || value.endpoints === undefined) return;
    if (value.tls.serverName !== undefined) return;
    report("tls", "tls to endpoints without serverName", "add serverName: the name they answer to");
  })
  .checkOf(["app", "host", "port", "endpoints"], checkTarget);

function checkTarget(
  value: {
    readonly app?: string | undefined;
    readonly host?: string | undefined;
    readonly port?: number | undefined;
    readonly endpoints?: readonly unknown[] | undefined;
  },
  report: CheckReport,
): void {
  const named = (["app", "host", "endpoints"] as const).filter((key) => value[key] !== undefined);
  if (named.length > 1) {
    report(named[1]!, `a call with both ${named[0]} and ${named[1]}`, "keep the one that is meant");
  }
  if (value.host !== undefined && value.port === undefined) {
    report("host", "host without port", "add port: 80, or the one that it listens on");
  }
  if (value.port !== undefined && value.host === undefined) {
    report("port", "port without host", "an App says its port itself: remove this one");
  }
}

// ---------------------------------------------------------------- goals, backup

const slo = object({
  availability: percent({ min: "50%", max: "99.999%" })
    .about("The part of requests to answer without a 5xx, over 30 days. Alerts follow from it.")
    .example("99.9%")
    .optional(),
  latency: object({
    p99: duration({ min: "1ms", max: "1h" })
      .about("99 of 100 requests are faster.")
      .example("300ms"),
  })
    .about("How fast answers are to be.")
    .optional(),
});

const backup = object({
  schedule: cronSchedule()
    .about("When: minute, hour, day, month, weekday, in UTC.")
    .example("0 3 * * *"),
  keep: duration({ min: "1h" }).about("How long a backup is kept. 30d.").default("30d"),
});

// ---------------------------------------------------------------- the whole

/** The fields of `spec`. */
export const appShape = {
  image: imageName
    .about("The container image.")
    .example("registry.example.com/shop/api:2.0.0")
    .onlyOn("kubernetes")
    .optional(),
  run: run
    .about("How `up` starts the app on this machine: the real process, unchanged.")
    .example({ command: ["node", "api.js"], dir: "./api", port: 19000 })
    .optional(),
  env: env
    .about(
      "Environment variables. Templates: `{{calls.NAME.url}}`, `{{calls.NAME.host}}`, " +
        "`{{calls.NAME.port}}`, `{{dependencies.NAME.host}}`, `{{dependencies.NAME.port}}`, " +
        "`{{run.port}}`, `{{app.name}}`, `{{app.namespace}}`.",
    )
    .default({})
    .example({ API_URL: "{{calls.api.url}}" }),
  port: port()
    .about("The port that callers use. An App without one is not called.")
    .example(8080)
    .optional(),
  protocol: choice(["http"], {
    later: {
      grpc: "only http is there",
      http2: "only HTTP/1.1 is there",
      tcp: "only http is there",
      auto: "only http is there",
    },
  })
    .about("What it speaks on `port`.")
    .default("http"),
  tls: tls
    .about(
      "Callers come to `port` by TLS (https), which ends in the sidecar: the app itself gets plain " +
        "HTTP. For an App that is reached from outside by itself; behind the Mesh's gateway let that " +
        "end it. Without it by default.",
    )
    .optional()
    .example({ certificates: [{ certificate: "certs/shop.pem", key: "certs/shop.key" }] }),
  replicas: replicas
    .about("How many run: a number, or bounds between which load decides.")
    .example(2)
    .example({ min: 2, max: 10, cpu: "70%" })
    .onlyOn("kubernetes")
    .optional(),
  resources: computeResources
    .about("What the app's container reserves.")
    .example({ cpu: "250m", memory: "256Mi" })
    .onlyOn("kubernetes")
    .optional(),
  health: health
    .about("Paths that say how the app is.")
    .example({ ready: "/healthz", live: "/livez" })
    .onlyOn("kubernetes")
    .optional(),
  ingress: list(ingress, { max: 100 })
    .about("Names and paths by which the App is reached from outside, through the Mesh's gateway.")
    .default([])
    .example([{ host: "shop.example.com", paths: ["/*"] }]),
  routes: list(route, { max: 1000 })
    .about("What happens to requests that reach `port`, by path. All go to the app by default.")
    .default([])
    .example([{ path: "/api/*", to: "api", timeout: "2s" }])
    .example([
      { path: "/*" },
      { path: "/*", match: { headers: { "x-canary": "always" } }, to: "next" },
      { path: "/*", match: { cookies: { canary: "yes" } }, to: "next" },
    ]),
  filters: filters
    .about(
      "Code of your own for what reaches `port`, in this order, behind all else that routes ask " +
        "for: files of TypeScript with hooks on requests and answers (docs/filters.md). None.",
    )
    .default([])
    .example(["filters/auth.ts"])
    .example([{ file: "filters/auth.ts", onError: "closed", config: { realm: "shop" } }]),
  limits: limits
    .about("Of what reaches the app itself; what is above is answered 503 at once.")
    .default({})
    .example({ adaptive: {} }),
  responseValidation,
  calls: map(call.about("One callee. `{}` is the plainest: no timeout, no retry, no breaker."), {
    key: LABEL_PATTERN,
    keyExpected: LABEL_EXPECTED,
  })
    .about("What the App calls, by a name of its own; the sidecar's view of the world ends there.")
    .default({})
    .example({ api: { timeout: "2s", retry: { attempts: 2 } } }),
  dependencies,
  bypass: bypass.onlyOn("kubernetes"),
  egress: list(object({})).later(
    "calls outside are not filtered",
    "stop calls that are not listed",
  ),
  logs: list(log, { max: 100 })
    .about("Log files that become structured events.")
    .default([])
    .example([{ file: "logs/events.log", parse: "json", to: ["stdout"] }]),
  pipelines: list(text({ pattern: LABEL_PATTERN, expected: "the name of a Pipeline" }), {
    max: 100,
    unique: true,
  })
    .about(
      "Pipelines of the same files that run in the App's sidecar, by their names: what the app sends " +
        "to `127.0.0.1` or writes to files goes their way.",
    )
    .default([])
    .example(["orders"]),
  slo: slo
    .about("Goals; recording rules and alerts follow from them.")
    .example({ availability: "99.9%", latency: { p99: "300ms" } })
    .optional(),
  backup: backup
    .about("Backs the App's volumes up.")
    .example({ schedule: "0 3 * * *", keep: "30d" })
    .onlyOn("kubernetes")
    .optional(),
  pods: pods.onlyOn("kubernetes"),
  container: container.onlyOn("kubernetes").default({}),
  containers: containers.onlyOn("kubernetes"),
  volumes: volumes.onlyOn("kubernetes"),
  config: config.onlyOn("kubernetes"),
  secrets: secrets.onlyOn("kubernetes"),
  job: job.onlyOn("kubernetes").optional().example({ retries: 1 }),
  schedule: schedule.onlyOn("kubernetes").optional().example({ cron: "0 3 * * *" }),
  perNode: boolean()
    .about("One pod on each node, instead of `replicas`: for what serves its node. No.")
    .onlyOn("kubernetes")
    .default(false),
  placement: placement.onlyOn("kubernetes").default({}),
  serviceAccount: serviceAccount.onlyOn("kubernetes").default({}),
  overrides: overrides.onlyOn("kubernetes"),
  sidecar: sidecar.about("Tunes the sidecar. Everything has a default.").default({}),
};

export type AppSpec = ObjectOf<typeof appShape>;
export type CallSpec = AppSpec["calls"][string];
export type RouteSpec = AppSpec["routes"][number];
export type LogSpec = AppSpec["logs"][number];

/** Names that texts of an App may use in `{{...}}`. */
export function appTemplateNames(
  calls: readonly string[],
  needed: readonly string[],
  spec: Pick<AppSpec, "run" | "port">,
): readonly string[] {
  const names = calls.flatMap((call) => [
    `calls.${call}.url`,
    `calls.${call}.host`,
    `calls.${call}.port`,
  ]);
  const places = needed.flatMap((one) => [`dependencies.${one}.host`, `dependencies.${one}.port`]);
  const hasPort = spec.run?.port !== undefined || spec.port !== undefined;
  return [...names, ...places, ...(hasPort ? ["run.port"] : []), "app.name", "app.namespace"];
}

type Templated = Pick<AppSpec, "env" | "run" | "port" | "pods">;

function checkTemplates(spec: Templated, report: CheckReport, node: Node): void {
  // From the file, not the value: a call that is wrong in itself is declared all the same.
  const keysOf = (field: string): readonly string[] => {
    const written = nodeAt(node, [field]);
    return written?.kind === "map" ? written.entries.map((entry) => entry.key) : [];
  };
  const calls = keysOf("calls");
  const known = appTemplateNames(calls, keysOf("dependencies"), spec);
  const check = (path: Path, value: string): void => {
    const problem = templateProblem(value, known);
    if (problem === null) return;
    const undeclared = templateNames(value)
      .map((name) => /^calls\.([^.]+)\.(?:url|host|port)$/.exec(name)?.[1])
      .find((call) => call !== undefined && !calls.includes(call));
    const where = pathText(path);
    if (undeclared === undefined || nearest(undeclared, calls) !== null) {
      report(path, `${where}: ${problem.message}`, problem.advice);
    } else {
      const message = `${where}: ${problem.message}, for ${undeclared} is not declared in calls`;
      report(path, message, `add calls: { ${undeclared}: {} }`);
    }
  };
  for (const [name, value] of Object.entries(spec.env)) check(["env", name], value);
  for (const [group, one] of Object.entries(spec.pods)) {
    for (const [name, value] of Object.entries(one.env)) check(["pods", group, "env", name], value);
  }
  const list = nodeAt(node, ["run", "command"])?.kind === "list";
  for (const [index, word] of (spec.run?.command ?? []).entries()) {
    check(list ? ["run", "command", index] : ["run", "command"], word);
  }
}

/** Where the process listens on this machine: `run.port`, or `port` where there is no sidecar. */
function checkPorts(spec: Pick<AppSpec, "run" | "port" | "sidecar">, report: CheckReport): void {
  if (spec.run === undefined) return;
  const { port: own } = spec.run;
  if (own !== undefined && spec.port === undefined) {
    report("run.port", "run.port without port", "add port: the one that callers use");
  }
  if (!spec.sidecar.enabled || spec.port === undefined) return;
  if (own === undefined) {
    const advice = `add run.port: where the process listens, for the sidecar takes ${spec.port}`;
    report("run", "run has no port", advice);
  } else if (own === spec.port) {
    report(
      "run.port",
      `run.port is the same as port, ${own}, where the sidecar listens`,
      "let the process listen on another one",
    );
  }
}

type Routed = Pick<AppSpec, "routes" | "calls" | "port">;

function checkRoutes(spec: Routed, report: CheckReport, node: Node): void {
  for (const [index, one] of spec.routes.entries()) {
    const targets = one.backends ?? [{ call: one.to, app: undefined }];
    const hasBreaker = targets.some(
      (target) => target.call !== undefined && spec.calls[target.call]?.breaker !== undefined,
    );
    checkOpenTrigger(nodeAt(node, ["routes", index])!, hasBreaker, (path, message, advice) => {
      report(["routes", index, ...(path as Path)], `routes[${index}]: ${message}`, advice);
    });
    if (spec.port === undefined) report(["routes", index], "routes without port", "add port");
    for (const [nth, target] of (one.backends ?? []).entries()) {
      if (target.call === undefined || Object.hasOwn(spec.calls, target.call)) continue;
      const meant = nearest(target.call, Object.keys(spec.calls));
      report(
        ["routes", index, "backends", nth, "call"],
        `routes[${index}]: "${target.call}" is not a name of calls`,
        meant === null ? "declare it in calls" : `did you mean "${meant}"?`,
      );
    }
  }
}

function checkLogs(spec: Pick<AppSpec, "logs">, report: CheckReport): void {
  const files = new Set<string>();
  const names = new Set<string>();
  for (const [index, one] of spec.logs.entries()) {
    if (files.has(one.file)) {
      report(["logs", index, "file"], `logs: ${one.file} is followed twice`, "remove one of them");
    }
    if (one.name !== undefined && names.has(one.name)) {
      report(
        ["logs", index, "name"],
        `logs: the name ${one.name} stands there twice`,
        "rename one",
      );
    }
    files.add(one.file);
    if (one.name !== undefined) names.add(one.name);
  }
}

/** It runs to its end (`job` says more of what `schedule` starts), on each node, or in replicas. */
function checkLifeTime(
  spec: Pick<AppSpec, "job" | "schedule" | "perNode" | "replicas" | "port" | "pods">,
  report: CheckReport,
): void {
  const task = spec.schedule !== undefined ? "schedule" : spec.job !== undefined ? "job" : null;
  const said = [
    ...(task === null ? [] : [task]),
    ...(spec.perNode ? ["perNode"] : []),
    ...(spec.replicas === undefined ? [] : ["replicas"]),
  ];
  if (Object.keys(spec.pods).length > 0 && said.length > 0 && said[0] !== "replicas") {
    report("pods", `an App with both ${said[0]} and pods`, "make an App of each");
  }
  if (said.length > 1) {
    report(said[1]!, `an App with both ${said[0]} and ${said[1]}`, "keep the one that is meant");
  }
  if (task !== null && spec.port !== undefined) {
    report("port", `port with ${task}: nobody calls what runs to its end`, "remove one of them");
  }
}

function checkVolumes(spec: Pick<AppSpec, "volumes" | "containers">, report: CheckReport): void {
  for (const [name, { volumes: seen }] of Object.entries(spec.containers)) {
    for (const volume of Object.keys(seen)) {
      if (Object.hasOwn(spec.volumes, volume)) continue;
      const meant = nearest(volume, Object.keys(spec.volumes));
      report(
        ["containers", name, "volumes", volume],
        `containers.${name}: "${volume}" is not a name of volumes`,
        meant === null ? "declare it in volumes" : `did you mean "${meant}"?`,
      );
    }
  }
}

export const appSpec = object(appShape)
  .checkOf(["run", "image"], (spec, report) => {
    if (spec.run === undefined && spec.image === undefined) {
      report("", "the App has neither run nor image", "add run: { command: [...] }, or image");
    }
  })
  .checkOf(["ingress", "port"], (spec, report) => {
    if (spec.ingress.length > 0 && spec.port === undefined) {
      report("ingress", "ingress without port", "add port: the one that the app is reached by");
    }
  })
  .checkOf(["tls", "port", "sidecar"], (spec, report) => {
    if (spec.tls === undefined) return;
    if (spec.port === undefined) report("tls", "tls without port", "add port");
    if (!spec.sidecar.enabled) {
      report("tls", "tls without a sidecar, where it would end", "remove sidecar.enabled: false");
    }
  })
  .checkOf(["filters", "port"], (spec, report) => {
    if (spec.filters.length === 0 || spec.port !== undefined) return;
    report("filters", "filters without port", "add port: the one that callers use");
  })
  .checkOf(["run", "port", "sidecar"], checkPorts)
  .checkOf(["job", "schedule", "perNode", "replicas", "port", "pods"], checkLifeTime)
  .checkOf(["volumes", "containers"], checkVolumes)
  .checkOf(["bypass", "port"], checkBypass)
  .checkOf(["env", "run", "port", "pods"], checkTemplates)
  .checkOf(["routes", "calls", "port"], checkRoutes)
  .checkOf(["logs"], checkLogs);
