import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";

/**
 * One verb of the command line: everything that parsing, `--help`, the reference page and shell
 * completion need, beside the code that it runs. One file a command; mod.ts lists them.
 */
export interface Command {
  readonly name: string;
  /** One line, without a full stop. */
  readonly summary: string;
  readonly arguments?: readonly ArgumentDefinition[];
  readonly options?: readonly OptionDefinition[];
  readonly examples: readonly [Example, ...Example[]];
  /**
   * Runs beside an app for as long as it lives: its arguments are read without the parsing library,
   * which would cost 9 MB resident. Imports of its module must be as lean.
   */
  readonly lean?: boolean;
  /** Returns the exit code; a Failure carries its own. */
  run(world: World, input: Input): Promise<number>;
}

export interface ArgumentDefinition {
  readonly name: string;
  readonly about: string;
  readonly required?: boolean;
  /** Takes all the remaining words; only the last argument can. */
  readonly many?: boolean;
  readonly choices?: readonly string[];
}

export interface OptionDefinition {
  /** Without the dashes: `output`. */
  readonly long: string;
  /** One letter, without the dash. */
  readonly short?: string;
  /** The name of its value, for example `FORMAT`; without it the option is a flag. */
  readonly value?: string;
  readonly about: string;
  readonly choices?: readonly string[];
  readonly default?: string;
  /** May be given several times. */
  readonly many?: boolean;
  /** Only this program itself gives it. */
  readonly hidden?: boolean;
}

export interface Example {
  readonly line: string;
  readonly about: string;
}

/** What the user wrote, already checked against the command's definition. */
export class Input {
  constructor(
    readonly words: readonly string[],
    private readonly options: ReadonlyMap<string, string | boolean | readonly string[]>,
  ) {}

  flag(long: string): boolean {
    return this.options.get(long) === true;
  }

  text(long: string): string | null {
    const value = this.options.get(long);
    return typeof value === "string" ? value : null;
  }

  list(long: string): readonly string[] {
    const value = this.options.get(long);
    if (typeof value === "string") return [value];
    return typeof value === "object" ? value : [];
  }

  /** @throws Failure "usage" where the option is missing. */
  required(long: string): string {
    const value = this.text(long);
    if (value === null) {
      throw new Failure("usage", `--${long} is missing`, `add --${long} and its value`);
    }
    return value;
  }

  /** @throws Failure "usage" where it is no number within the bounds. */
  number(long: string, bounds: { readonly min: number; readonly max: number }): number | null {
    const value = this.text(long);
    if (value === null) return null;
    const number = Number(value);
    if (value.trim() === "" || !(number >= bounds.min && number <= bounds.max)) {
      throw new Failure(
        "usage",
        `--${long} is "${value}"; a number from ${bounds.min} to ${bounds.max} was expected`,
      );
    }
    return number;
  }

  /** @throws Failure "usage" where it is no whole number within the bounds. */
  wholeNumber(long: string, bounds: { readonly min: number; readonly max: number }): number | null {
    const number = this.number(long, bounds);
    if (number === null || Number.isInteger(number)) return number;
    const expected = `a whole number from ${bounds.min} to ${bounds.max} was expected`;
    throw new Failure("usage", `--${long} is "${this.text(long)}"; ${expected}`);
  }

  /** Files from the arguments (from the given word on) and from `-f`, which mean the same. */
  files(fromWord = 0): readonly string[] {
    const files = [...this.words.slice(fromWord), ...this.list("file")];
    if (files.length === 0) {
      throw new Failure(
        "usage",
        "no file was given",
        "name App, Mesh or Pipeline files, folders of them, or - for standard input",
      );
    }
    return files;
  }
}

/** A length of time as a user writes it: 500ms, 10s, 1m30s, 2h. Returns milliseconds. */
export function durationOption(input: Input, long: string): number | null {
  const value = input.text(long);
  if (value === null) return null;
  const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/gy)];
  if (parts.length === 0 || parts.map((part) => part[0]).join("") !== value) {
    throw new Failure(
      "usage",
      `--${long} is "${value}"; a length of time was expected`,
      "write it as 500ms, 10s, 1m30s or 2h",
    );
  }
  return parts.reduce((sum, part) => sum + Number(part[1]) * (units[part[2] ?? ""] ?? 0), 0);
}

export const FILES_ARGUMENT: ArgumentDefinition = {
  name: "file",
  about: "App, Mesh or Pipeline files, folders of them, or - for standard input",
  many: true,
};

export const FILE_OPTION: OptionDefinition = {
  long: "file",
  short: "f",
  value: "FILE|DIR|-",
  about: "the same as a file argument",
  many: true,
};

export const WORKERS_OPTION: OptionDefinition = {
  long: "workers",
  value: "N",
  about: "threads that take requests; else as the Snapshot says, which is 1 unless the App asks",
};

export function outputOption(
  defaultFormat: "table" | "text" | "yaml" | "json",
  choices: readonly string[] = ["json", "yaml", "table"],
): OptionDefinition {
  return {
    long: "output",
    short: "o",
    value: "FORMAT",
    about: "how to print",
    choices,
    default: defaultFormat,
  };
}
