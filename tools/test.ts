/**
 * The test run. Each part's output goes to stderr with the time that it took; the last line of
 * stdout is the sum over all parts, `N passed, N failed`. What could not run at all counts as
 * failed.
 *
 *   bun tools/test.ts             everything
 *   bun tools/test.ts --fast      without fuzzing and the end-to-end suites of test/
 *   bun tools/test.ts --check     rooms, types and generated docs only
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InstallError, part } from "./install.ts";
import { clusterEnv, clusterMissing } from "./kube/cluster.ts";

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface Step {
  readonly name: string;
  run(): Promise<Counts>;
}

const ROOT = join(import.meta.dir, "..");
const BUN = process.execPath;
/** A hung suite is ended, and counts as failed. */
const SUITE_LIMIT_MS = 20 * 60_000;
const PASSED: Counts = { passed: 1, failed: 0, skipped: 0 };
const FAILED: Counts = { passed: 0, failed: 1, skipped: 0 };

/** Variables by which suites find the real parts. */
const env: Record<string, string | undefined> = { ...process.env };

const CHECKS: readonly Step[] = [
  { name: "tidy", run: () => exits([BUN, "tools/tidy.ts"]) },
  { name: "types", run: () => exits(["node_modules/.bin/tsc", "--noEmit", "-p", "."]) },
  { name: "generated docs", run: () => exits([BUN, "tools/generate.ts", "--check"]) },
];

const UNITS: Step = {
  name: "unit tests",
  run: () => suite(["src", "tools", "bench", "examples"], ["--timeout", "20000"]),
};

/** Shared by all targets; `make fuzz` runs them for as long as you like. */
const FUZZ_SECONDS = "60";

const FUZZ: Step = {
  name: "fuzz",
  run: () => exits([BUN, "tools/fuzz.ts", "--share", FUZZ_SECONDS, "--seed", "1"]),
};

const PARTS: Step = { name: "real parts", run: installParts };

/**
 * Kubernetes is compiled once a machine, for some minutes: beside everything else, so that a first
 * run hardly waits for it. Null where nothing can be tried; the suite itself says so.
 */
let kubernetes: Promise<number> | null = null;

function startKubernetes(): void {
  if (clusterMissing() !== null) return;
  const script = join(ROOT, "tools", "kube", "kube-build.sh");
  const child = Bun.spawn(["nice", "-n", "10", "bash", script], {
    env: clusterEnv(),
    stdio: ["ignore", 2, 2],
  });
  kubernetes = child.exited;
}

const KUBERNETES: Step = {
  name: "Kubernetes is there",
  run: async () => (((await kubernetes) ?? 0) === 0 ? PASSED : FAILED),
};

const END_TO_END: Step = {
  name: "end-to-end tests",
  run: () => suite(["test"], ["--timeout", "120000", "--no-orphans"]),
};

/** They send to our sources, and rotate what we follow. */
const LOGGING = ["rsyslog", "syslog-ng", "logger", "logrotate"] as const;

/** Other people's TLS, against ours. */
const TLS = ["openssl", "curl"] as const;

/** They judge our objects for Kubernetes. */
const KUBERNETES_JUDGES = ["kube-validate", "checkov"] as const;

/** promtool checks the rules that we render; Chromium looks at our pages; Redis holds limits. */
async function installParts(): Promise<Counts> {
  let counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  const single = ["promtool", "prometheus", "chromium", "redis", "opensearch", "zipkin", "otlp-reader"];
  for (const name of [...single, ...TLS, ...LOGGING, ...KUBERNETES_JUDGES]) {
    const variable = `OUTRIGGER_${name.toUpperCase().replaceAll("-", "_")}`;
    if (env[variable]) continue;
    try {
      env[variable] = (await part(name)).path;
    } catch (error) {
      if (!(error instanceof InstallError)) throw error;
      say(error.message);
      counts = sum([counts, FAILED]);
    }
  }
  return counts;
}

async function exits(command: readonly string[]): Promise<Counts> {
  return (await spawn(command)) === 0 ? PASSED : FAILED;
}

async function suite(folders: readonly string[], flags: readonly string[]): Promise<Counts> {
  const files: string[] = [];
  for (const folder of folders) {
    const glob = new Bun.Glob(`${folder}/**/*.test.ts`);
    for (const file of glob.scanSync({ cwd: ROOT })) files.push(`./${file}`);
  }
  if (files.length === 0) {
    say(`no test in ${folders.join(", ")}`);
    return FAILED;
  }
  const folder = mkdtempSync(join(tmpdir(), "outrigger-test-"));
  try {
    const report = join(folder, "junit.xml");
    const reporter = ["--reporter=junit", "--reporter-outfile", report];
    const status = await spawn([BUN, "test", ...reporter, ...flags, ...files.sort()]);
    return countsOf(read(report), status);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** What a JUnit report counts. A run that ended badly without a failed test is one failure. */
export function countsOf(report: string, status: number): Counts {
  const head = /<testsuites\b[^>]*>/.exec(report)?.[0] ?? "";
  const attribute = (name: string): number =>
    Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const [tests, skipped] = [attribute("tests"), attribute("skipped")];
  let failed = attribute("failures") + attribute("errors");
  const passed = Math.max(0, tests - failed - skipped);
  if (failed === 0 && (status !== 0 || tests === 0)) failed = 1;
  return { passed, failed, skipped };
}

async function spawn(command: readonly string[]): Promise<number> {
  // Both go to stderr, so that stdout holds the result alone.
  const child = Bun.spawn([...command], { cwd: ROOT, env, stdio: ["ignore", 2, 2] });
  const limit = setTimeout(() => {
    say(`ended after ${SUITE_LIMIT_MS / 60_000} minutes: ${command.slice(0, 3).join(" ")}`);
    child.kill("SIGTERM");
  }, SUITE_LIMIT_MS);
  const status = await child.exited;
  clearTimeout(limit);
  return status;
}

export function sum(counts: readonly Counts[]): Counts {
  return counts.reduce((all, one) => ({
    passed: all.passed + one.passed,
    failed: all.failed + one.failed,
    skipped: all.skipped + one.skipped,
  }));
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function runSteps(steps: readonly Step[]): Promise<Counts> {
  const results: Counts[] = [];
  for (const step of steps) {
    say(`==> ${step.name}`);
    const started = performance.now();
    let counts = FAILED;
    try {
      counts = await step.run();
    } catch (error) {
      say(String((error as Error).stack ?? error));
    }
    results.push(counts);
    const { passed, failed, skipped } = counts;
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    say(`<== ${step.name}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${seconds} s`);
  }
  return sum(results);
}

if (import.meta.main) {
  const fast = process.argv.includes("--fast");
  const check = process.argv.includes("--check");
  if (!fast && !check) startKubernetes();
  const tests = fast ? [PARTS, UNITS] : [PARTS, UNITS, FUZZ, KUBERNETES, END_TO_END];
  const { passed, failed } = await runSteps(check ? CHECKS : [...CHECKS, ...tests]);
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  process.exit(failed === 0 ? 0 : 1);
}
