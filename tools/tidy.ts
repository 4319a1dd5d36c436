/**
 * Enforces three things in src/, and no more; all else in CONTRIBUTING.md is for judgement:
 *
 * 1. a room imports rooms of a lower rank only, and no file imports itself by way of others;
 * 2. nothing outside base/ touches Bun, the process, the clock or chance: that is what a World is
 * for;
 * 3. every component is in its list (mod.ts), with a test beside it.
 *
 *   bun tools/tidy.ts [ROOT]       prints what is wrong, FILE:LINE first; status 1 if anything is
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, sep } from "node:path";
import { type Import, lineOf, scanSource } from "./scan_source.ts";

/** The rank table of ARCHITECTURE.md. */
export const RANKS: Readonly<Record<string, number>> = {
  base: 0,
  schema: 1,
  codec: 1,
  api: 2,
  http: 2,
  identity: 3,
  policy: 3,
  compile: 3,
  proxy: 4,
  pipeline: 4,
  render: 4,
  sidecar: 5,
  control: 5,
  operate: 6,
  console: 7,
  local: 8,
  cli: 9,
  // The program's entries, src/main.ts and src/thread_main.ts.
  main: 10,
  thread_main: 10,
  // Simulations, for tests only; they put any rooms together.
  sim: 11,
};

/** What makes the Bun World. */
const ENTRIES: ReadonlySet<string> = new Set(["main", "thread_main"]);

interface ComponentFolder {
  readonly folder: string;
  /** A file in it that does not match is a part of the others. */
  readonly component: RegExp;
}

/** Whatever is of one of these types: FilterComponent, SourceDefinition, ... */
const COMPONENT = /^export const \w+: (?:Filter|Source|Transform|Sink)(?:Component|Definition)\b/m;

const COMPONENT_FOLDERS: readonly ComponentFolder[] = [
  {
    folder: "src/proxy/cluster/balancers",
    component: /^export const \w+: BalancerComponent\b/m,
  },
  { folder: "src/proxy/filters", component: COMPONENT },
  { folder: "src/pipeline/sources", component: COMPONENT },
  { folder: "src/pipeline/transforms", component: COMPONENT },
  { folder: "src/pipeline/sinks", component: COMPONENT },
  { folder: "src/render", component: /^export const \w+: Generator\b/m },
  { folder: "src/cli", component: /^export const \w+: Command\b/m },
];

interface Ban {
  readonly pattern: RegExp;
  readonly what: string;
  readonly instead: string;
  /** A file in which this is found has a name of its own for it. */
  readonly unless?: RegExp;
}

const FREE = String.raw`(?<![.\w$])`;

const BANS: readonly Ban[] = [
  ban(String.raw`Bun\s*[.[]`, "Bun", "what a World offers, or add it to base/world.ts"),
  ban(String.raw`process\s*\.\s*(?:stdout|stderr|stdin)\b`, "process's streams", "world.stdio"),
  ban(
    String.raw`process\s*\.\s*(?:on|once|off)\b`,
    "process events",
    "world.signals, processes.self.onUncaught",
  ),
  {
    ...ban(
      String.raw`process\s*\.\s*(?!stdout|stderr|stdin|on\b|once\b|off\b)\w+`,
      "process",
      "world.processes.self",
    ),
    // A file about processes may well call one of its own so.
    unless: /\b(?:const|let)\s+process\b|[({,]\s*process\s*[:,)}=]|\bprocess\s*=>/,
  },
  ban(
    String.raw`Date\s*\.\s*now\b`,
    "Date.now",
    "world.clock.wallMs(), or clock.now() for differences",
  ),
  ban(
    String.raw`new\s+Date\s*(?:\(\s*\)|(?![\w\s(]))`,
    "new Date()",
    "new Date(world.clock.wallMs())",
  ),
  ban(String.raw`performance\s*\.`, "performance", "world.clock.now()"),
  ban(
    String.raw`(?:set|clear)(?:Timeout|Interval|Immediate)\s*\(`,
    "timers",
    "world.clock.after() or every()",
  ),
  ban(String.raw`Math\s*\.\s*random\b`, "Math.random", "world.random.next()"),
  ban(
    String.raw`crypto\s*\.\s*(?:randomUUID|getRandomValues)\b`,
    "crypto's chance",
    "world.random.secureBytes()",
  ),
  ban(String.raw`fetch\s*\(`, "fetch", "http/ over world.net"),
  ban(
    String.raw`new\s+(?:WebSocket|Worker|EventSource)\b`,
    "the platform's own I/O",
    "world.net, world.processes",
  ),
  ban(
    String.raw`console\s*\.\s*(?:log|error|warn|info|debug|trace|table)\b`,
    "console",
    "world.stdio, or the log that was handed in",
  ),
];

function ban(pattern: string, what: string, instead: string): Ban {
  return { pattern: new RegExp(FREE + pattern, "g"), what, instead };
}

/** Pure: names and paths, no file system. */
const ALLOWED_MODULES = new Set(["node:path", "node:path/posix"]);
const BARE_MODULES =
  "fs|os|net|tls|dns|https?2?|child_process|crypto|process|timers|worker_threads|dgram|util|url|" +
  "events|stream|readline";
const PLATFORM_MODULE = new RegExp(`^(?:node:|bun:|bun$)|^(?:${BARE_MODULES})(?:/|$)`);

interface SourceFile {
  /** From the root, with slashes. */
  readonly path: string;
  readonly room: string;
  readonly source: string;
  readonly code: string;
  readonly imports: readonly Import[];
}

export interface TidyReport {
  /** `FILE:LINE: what was found; what to do`, sorted. */
  readonly complaints: readonly string[];
  /** Which rooms each room imports. */
  readonly rooms: ReadonlyMap<string, ReadonlySet<string>>;
  readonly files: number;
}

export function tidy(root: string): TidyReport {
  const files = readSources(root);
  const rooms = new Map<string, Set<string>>();
  const complaints: string[] = [];
  for (const file of files) {
    if (!rooms.has(file.room)) rooms.set(file.room, new Set());
    complaints.push(...checkImports(file, rooms.get(file.room)!), ...checkWorld(file));
  }
  complaints.push(...checkCycles(files), ...checkComponents(root, files));
  return { complaints: complaints.sort(), rooms, files: files.length };
}

function readSources(root: string): SourceFile[] {
  const folder = join(root, "src");
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name) && !name.endsWith(".d.ts"))
    .sort()
    .map((name) => {
      const path = `src/${name.split(sep).join("/")}`;
      const source = readFileSync(join(root, path), "utf8");
      return { path, room: roomOf(path), source, ...scanSource(source) };
    });
}

function roomOf(path: string): string {
  const parts = path.split("/");
  return parts.length === 2 ? parts[1]!.replace(/(?:\.test)?\.tsx?$/, "") : parts[1]!;
}

function isTest(path: string): boolean {
  return /\.(?:test|fuzz)\.tsx?$|_contract\.ts$|\/testdata\/|^src\/sim\//.test(path);
}

/** The file of src/ that an import names; null for a package and for what is not TypeScript. */
function target(file: SourceFile, specifier: string): string | null {
  if (!specifier.startsWith(".")) return null;
  const path = normalize(join(dirname(file.path), specifier))
    .split(sep)
    .join("/");
  return path.startsWith("src/") && /\.tsx?$/.test(path) ? path : null;
}

// ---------------------------------------------------------------- 1. ranks and cycles

function checkImports(file: SourceFile, imported: Set<string>): string[] {
  const rank = RANKS[file.room];
  if (rank === undefined) {
    return [`${file.path}:1: "${file.room}" is no room; put the file into one of the rank table's`];
  }
  const complaints: string[] = [];
  for (const { specifier, line } of file.imports) {
    const path = target(file, specifier);
    if (path === null) continue;
    const room = roomOf(path);
    if (room === file.room) continue;
    imported.add(room);
    const other = RANKS[room];
    if (other === undefined || other < rank || (room === "sim" && isTest(file.path))) continue;
    const how = other === rank ? "is its sibling" : "ranks above it";
    complaints.push(
      `${file.path}:${line}: ${file.room}/ (rank ${rank}) imports ${path}, but ` +
        `${room}/ (rank ${other}) ${how}; move what both need to a lower room, or hand it in as ` +
        "an argument",
    );
  }
  return complaints;
}

/**
 * Only what is loaded with a file counts: files may name each other's types, and load each other
 * later.
 */
function checkCycles(files: readonly SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const state = new Map<string, "open" | "done">();
  const complaints: string[] = [];
  const visit = (file: SourceFile, trail: readonly string[]): void => {
    state.set(file.path, "open");
    for (const { specifier, line, kind } of file.imports) {
      const path = kind === "static" ? target(file, specifier) : null;
      const next = path === null ? undefined : byPath.get(path);
      if (next === undefined) continue;
      if (state.get(next.path) === "open") {
        const loop = [...trail.slice(trail.indexOf(next.path)), next.path].join(" -> ");
        complaints.push(
          `${file.path}:${line}: files import each other: ${loop}; move what both need out`,
        );
      } else if (!state.has(next.path)) visit(next, [...trail, next.path]);
    }
    state.set(file.path, "done");
  };
  for (const file of files) if (!state.has(file.path)) visit(file, [file.path]);
  return complaints;
}

// ---------------------------------------------------------------- 2. the World

function checkWorld(file: SourceFile): string[] {
  const { path, room } = file;
  // A page's script runs in a browser, not in our process.
  if (room === "base" || isTest(path) || path.startsWith("src/console/page/")) return [];
  const complaints: string[] = [];
  for (const { specifier, line } of file.imports) {
    if (PLATFORM_MODULE.test(specifier) && !ALLOWED_MODULES.has(specifier)) {
      complaints.push(`${path}:${line}: imports "${specifier}"; take what it needs from the World`);
    }
    if (!ENTRIES.has(room) && target(file, specifier)?.startsWith("src/base/bun/")) {
      complaints.push(
        `${path}:${line}: only src/main.ts and thread_main.ts make the Bun World; take it as an argument`,
      );
    }
  }
  for (const { pattern, what, instead, unless } of BANS) {
    if (unless?.test(file.code)) continue;
    for (const match of file.code.matchAll(pattern)) {
      const line = lineOf(file.source, match.index);
      complaints.push(`${path}:${line}: touches ${what}; use ${instead}`);
    }
  }
  return complaints;
}

// ---------------------------------------------------------------- 3. components

function checkComponents(root: string, files: readonly SourceFile[]): string[] {
  const complaints: string[] = [];
  for (const { folder, component } of COMPONENT_FOLDERS) {
    const list = files.find((file) => file.path === `${folder}/mod.ts`);
    const listed = new Set(list?.imports.map(({ specifier }) => target(list, specifier)));
    for (const file of files) {
      const own = dirname(file.path) === folder && !isTest(file.path);
      if (!own || file === list || !component.test(file.source)) continue;
      if (!listed.has(file.path)) {
        complaints.push(`${file.path}:1: is a component, but ${folder}/mod.ts does not list it`);
      }
      const test = file.path.replace(/\.tsx?$/, ".test.ts");
      if (!existsSync(join(root, test))) {
        complaints.push(`${file.path}:1: is a component without a test beside it; write ${test}`);
      }
    }
  }
  return complaints;
}

// ---------------------------------------------------------------- the picture

/** The page docs/generated/rooms.md: who imports whom, lowest rank at the bottom. */
export function roomsPage(report: TidyReport): string {
  const rooms = [...report.rooms.keys()].sort(
    (a, b) => (RANKS[b] ?? 0) - (RANKS[a] ?? 0) || a.localeCompare(b),
  );
  const arrows = rooms.flatMap((room) =>
    [...report.rooms.get(room)!].sort().map((other) => `  ${room} --> ${other}`),
  );
  const boxes = rooms.map((room) => `  ${room}["${room} (${RANKS[room] ?? "?"})"]`);
  return `# Rooms

Which room of src/ imports which, as the source has it; in brackets its rank. An arrow points from
the room that imports, and always to a lower rank.

\`\`\`mermaid
flowchart TD
${[...boxes, ...arrows].join("\n")}
\`\`\`
`;
}

if (import.meta.main) {
  const report = tidy(process.argv[2] ?? join(import.meta.dir, ".."));
  for (const complaint of report.complaints) console.log(complaint);
  console.error(`tidy: ${report.files} files, ${report.complaints.length} complaints`);
  process.exit(report.complaints.length === 0 ? 0 : 1);
}
