import type { Command } from "./command.ts";
import { Input } from "./command.ts";

/**
 * Reads the arguments of a lean command without the parsing library. Returns null for anything but
 * plainly correct use (help, a mistake): the library then says what is wrong.
 */
export function quickParse(command: Command, args: readonly string[]): Input | null {
  const words: string[] = [];
  const options = new Map<string, string | boolean | string[]>();
  const definitions = command.options ?? [];
  for (const definition of definitions) {
    if (definition.default !== undefined) options.set(definition.long, definition.default);
  }
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index] ?? "";
    if (!arg.startsWith("-") || arg === "-") {
      words.push(arg);
      continue;
    }
    const equals = arg.startsWith("--") ? arg.indexOf("=") : -1;
    const name = equals === -1 ? arg : arg.slice(0, equals);
    const definition = definitions.find(
      ({ long, short }) => name === `--${long}` || name === `-${short}`,
    );
    if (definition === undefined) return null;
    if (definition.value === undefined) {
      if (equals !== -1) return null;
      options.set(definition.long, true);
      continue;
    }
    const value = equals === -1 ? args[(index += 1)] : arg.slice(equals + 1);
    if (value === undefined) return null;
    if (definition.choices !== undefined && !definition.choices.includes(value)) return null;
    const before = options.get(definition.long);
    if (definition.many !== true) options.set(definition.long, value);
    else options.set(definition.long, Array.isArray(before) ? [...before, value] : [value]);
  }
  return wordsFit(command, words) ? new Input(words, options) : null;
}

function wordsFit(command: Command, words: readonly string[]): boolean {
  const definitions = command.arguments ?? [];
  const needed = definitions.filter((definition) => definition.required === true).length;
  if (words.length < needed) return false;
  return words.length <= definitions.length || definitions.at(-1)?.many === true;
}
