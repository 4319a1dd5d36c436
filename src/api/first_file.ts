import { Failure } from "../base/failure.ts";
import { writtenText } from "../schema/reference.ts";
import { LABEL_PATTERN } from "./names.ts";
import { API_VERSION } from "./versions.ts";

export interface FirstFile {
  /** Becomes a name that files can have: "My App" is "my-app". */
  readonly name: string;
  /** As it would be typed, or its words. */
  readonly command: string | readonly string[];
  /** Where the process listens today. */
  readonly port: number;
}

/**
 * A first App file for `outrigger init`: it loads without a problem.
 *
 * @throws Failure `usage` where nothing of the name or of the command is left, or the port is none.
 */
export function firstFile({ name, command, port }: FirstFile): string {
  const own = labelOf(name);
  const words = typeof command === "string" ? splitCommand(command) : command;
  if (words.length === 0 || words[0] === "") {
    throw new Failure("usage", "the command is empty", 'give it, for example "node server.js"');
  }
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Failure("usage", `the port is ${port}`, "give one from 1 to 65535");
  }
  const callers = callersPort(port);
  const run = writtenText({ command: words.map(escapeTemplate), port });
  return `# What this app is. \`outrigger check\` reads it, \`outrigger up\` runs it,
# \`outrigger explain field spec\` lists what else can stand here.
apiVersion: ${API_VERSION}
kind: App
metadata: { name: ${writtenText(own)} }
spec:
  run: ${run}  # the process as it is today
  port: ${callers}  # what callers use: the sidecar listens here
  # calls:  # what it calls, by the App's name
  #   api: { timeout: 2s, retry: { attempts: 2 }, breaker: {} }
`;
}

/** "My App" is my-app; folders make names too, so everything else becomes a dash. */
export function labelOf(name: string): string {
  const own = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, 63)
    .replaceAll(/^-+|-+$/g, "");
  if (LABEL_PATTERN.test(own)) return own;
  throw new Failure("usage", `"${name}" gives no name`, "use letters and digits");
}

/** 8080, or a neighbour where the process listens there itself. */
function callersPort(port: number): number {
  return port === 8080 ? 8081 : 8080;
}

/** Words without a shell where that is the same; else one text for /bin/sh. */
function splitCommand(command: string): readonly string[] {
  const line = command.trim();
  if (line === "") return [];
  if (/^[\w@%+=:,./ -]+$/.test(line) && !/^\w+=/.test(line)) return line.split(/ +/);
  return ["/bin/sh", "-c", line];
}

/** A command that holds `{{` of its own must not become a template. */
function escapeTemplate(word: string): string {
  return word.replaceAll("{{", '{{"{{"}}');
}
