import type { Event, Fields } from "../../api/event.ts";
import { hmacSha256Hex } from "../../base/hash.ts";
import { FileError } from "../../base/world.ts";
import { Failure } from "../../base/failure.ts";
import { compileSearchRegex } from "../../base/search_regex.ts";
import { choice, list, map, object, text } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Transform, TransformContext, TransformDefinition } from "../component.ts";
import type { FieldPath } from "../expression/path.ts";
import { setAt, valueAt } from "../expression/path.ts";
import type { Redactor } from "../parsers/redactors.ts";
import { redactCards, redactEmails, redactTokens } from "../parsers/redactors.ts";
import { fieldPath, inFolder } from "./fields.ts";

const config = object({
  kinds: list(choice(["card", "email", "token"]), { max: 3, unique: true })
    .about(
      "`card`: numbers of 13 to 19 digits, with single spaces or dashes, that begin with 2 to 6 and" +
        " pass Luhn's check. `token`: JSON Web Tokens, keys of AWS, GitHub, Slack and Stripe, and" +
        " what stands behind Bearer or Basic.",
    )
    .default(["card", "email", "token"]),
  patterns: map(
    text({
      maxLength: 8192,
      expected: "a regular expression",
      check: (written) => {
        const regex = compileSearchRegex(written);
        if (typeof regex === "string") return regex;
        return regex.test("") ? "it matches nothing at all, too" : null;
      },
    }),
    { max: 50 },
  )
    .about("Patterns of your own, by name (RE2's syntax).")
    .example({ order: "ORD-[0-9]{8}" })
    .default({}),
  fields: list(fieldPath(), { min: 1, max: 100 })
    .about("Where to look; in every text of the event if not given. A number counts as its digits.")
    .example(["message", "user.email"])
    .optional(),
  with: choice(["mask", "hash"])
    .about("`****`, or 16 digits of an HMAC-SHA-256 by the key: the same for the same text.")
    .default("mask"),
  keyFile: text()
    .about("File with the key for `hash`: 16 bytes at least, mode 0600.")
    .example("secrets/redact.key")
    .optional(),
}).check((value, report) => {
  if (value.with === "hash" && value.keyFile === undefined) {
    report(
      "with",
      "hash needs keyFile: without a key, card numbers can be guessed from their hashes",
    );
  }
  if (value.kinds.length === 0 && Object.keys(value.patterns).length === 0) {
    report("kinds", "redact: neither kinds nor patterns say what to look for");
  }
});

type Config = Infer<typeof config>;

export const redact: TransformDefinition<Config> = {
  name: "redact",
  summary: "Masks or hashes card numbers, tokens, e-mail addresses and what matches your patterns.",
  status: "beta",
  security:
    "Put it before any step that could fail: dead letters hold an event as it was then. Reads the" +
    " key's file once, at the start.",
  config,
  examples: [
    {
      title: "Cards, e-mail addresses and tokens in a line",
      config: {},
      lines: [
        "card 4111 1111 1111 1111 of ann@shop.example",
        "Authorization: Bearer abc.def-123456",
        "order 4111111111111112 of 2026-11-21",
      ],
      events: [
        { message: "card **** of ****" },
        { message: "Authorization: Bearer ****" },
        { message: "order 4111111111111112 of 2026-11-21" },
      ],
    },
    {
      title: "A pattern of one's own, and nothing else",
      config: { kinds: [], patterns: { order: "ORD-[0-9]{4}" } },
      lines: ["ORD-1234 and ORD-12"],
      events: [{ message: "**** and ORD-12" }],
    },
  ],
  create: (settings, context) => new Redact(settings, context),
};

const MASK = "****";
const MIN_KEY_BYTES = 16;
/** Deeper data is not looked into: it is replaced. */
const MAX_DEPTH = 20;

class Redact implements Transform {
  #context: TransformContext;
  #fields: readonly FieldPath[] | null;
  #redactors: readonly Redactor[];
  #replace: (found: string) => string;

  constructor(settings: Config, context: TransformContext) {
    this.#context = context;
    this.#fields = settings.fields ?? null;
    const own = Object.values(settings.patterns).map((written): Redactor => {
      const regex = compileSearchRegex(written);
      if (typeof regex === "string") throw new Error(`bug: an unchecked pattern: ${regex}`);
      return (value, replace) => regex.replaceAll(value, replace);
    });
    const kinds = { card: redactCards, email: redactEmails, token: redactTokens };
    // Tokens first: a part of one may look like something else.
    const order = (["token", "email", "card"] as const).filter((kind) =>
      settings.kinds.includes(kind),
    );
    this.#redactors = [...own, ...order.map((kind) => kinds[kind])];
    const key = settings.with === "hash" ? readKey(context, settings.keyFile!) : null;
    this.#replace = (found) => {
      this.#context.count("redacted");
      return key === null ? MASK : hmacSha256Hex(key, found).slice(0, 16);
    };
  }

  apply(events: Event[]): Event[] {
    for (const event of events) {
      if (event.fields === null) this.#redactLine(event);
      else this.#redactFields(event.fields);
    }
    return events;
  }

  /** A line in which nothing was found stays undecoded. */
  #redactLine(event: Event): void {
    const isAsked =
      this.#fields?.some((path) => path.length === 1 && path[0] === "message") ?? true;
    if (!isAsked) return;
    const line = event.text();
    const redacted = this.#text(line);
    if (redacted !== line) event.fields = { message: redacted };
  }

  #redactFields(fields: Fields): void {
    if (this.#fields === null) {
      for (const name of Object.keys(fields)) {
        const value = this.#value(fields[name], 0);
        if (value !== fields[name]) fields[name] = value;
      }
      return;
    }
    for (const path of this.#fields) {
      const value = valueAt(fields, path);
      if (value === undefined) continue;
      const redacted = this.#value(value, 0);
      if (redacted !== value) setAt(fields, path, redacted);
    }
  }

  /** The same value where nothing was found. */
  #value(value: unknown, depth: number): unknown {
    if (typeof value === "string") return this.#text(value);
    if (typeof value === "number") {
      // A card's number may come as one; few numbers have so many digits.
      if (!Number.isInteger(value) || value < 1e12) return value;
      const text = String(value);
      const redacted = this.#text(text);
      return redacted === text ? value : redacted;
    }
    if (typeof value !== "object" || value === null) return value;
    if (depth >= MAX_DEPTH) return MASK;
    if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) value[i] = this.#value(value[i], depth + 1);
      return value;
    }
    const holder = value as Fields;
    for (const name of Object.keys(holder)) {
      const redacted = this.#value(holder[name], depth + 1);
      if (redacted !== holder[name]) setAt(holder, [name], redacted);
    }
    return value;
  }

  #text(value: string): string {
    let redacted = value;
    for (const run of this.#redactors) redacted = run(redacted, this.#replace);
    return redacted;
  }
}

/** @throws Failure where the key is missing or too short. */
function readKey(context: TransformContext, written: string): Uint8Array {
  const path = inFolder(context.folder, written);
  let key: Uint8Array;
  try {
    key = context.world.files.readBytes(path);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    const advice = `make one: head -c 32 /dev/urandom > ${path} && chmod 600 ${path}`;
    throw new Failure("refused", `${context.name}: redact has no key: ${error.message}`, advice);
  }
  if (key.length >= MIN_KEY_BYTES) return key;
  const text = `${context.name}: the key in ${path} has ${key.length} bytes`;
  throw new Failure("refused", text, `give it ${MIN_KEY_BYTES} at least`);
}
