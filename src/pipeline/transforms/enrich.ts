import type { Event } from "../../api/event.ts";
import { FileError } from "../../base/world.ts";
import { choice, list, map, object, size, text } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Transform, TransformContext, TransformDefinition } from "../component.ts";
import { expression } from "../expression.ts";
import { setAt } from "../expression/path.ts";
import type { LookupTable } from "../parsers/lookup_table.ts";
import { parseLookupTable } from "../parsers/lookup_table.ts";
import { WatchedFile } from "../../base/watched_file.ts";
import { fieldPath, inFolder } from "./fields.ts";

const table = object({
  file: text({
    maxLength: 4096,
    pattern: /\.(?:csv|json)$/,
    expected: 'a file such as "users.csv"',
  })
    .about(
      "CSV with a first line of names, or JSON: a list of objects, or an object of objects by key." +
        " Read again when it changes; one that is wrong leaves the table before in force.",
    )
    .example("tables/users.csv"),
  key: text({ maxLength: 200 })
    .about("The column that is looked up; of an object of objects it is the key itself.")
    .example("id")
    .optional(),
  by: expression("event.user_id").about("What is looked up: a text or a number."),
  columns: list(text({ maxLength: 200 }), { min: 1, max: 200, unique: true })
    .about("Which columns are added; all but the key if not given.")
    .optional(),
  into: fieldPath()
    .about("The field that holds them; beside the event's own if not given, which then win.")
    .optional(),
  onMissing: choice(["keep", "fail"])
    .about("An event whose key is not in the table goes on, or fails (the step's `onError`).")
    .default("keep"),
  maxBytes: size({ min: "1KiB", max: "256MiB" })
    .about("A larger file is not read. In memory it takes several times as much.")
    .default("16MiB"),
}).check((value, report) => {
  if (value.file.endsWith(".csv") && value.key === undefined) {
    report("key", "table: a CSV file needs key: the column that is looked up");
  }
});

const config = object({
  fields: map(text({ minLength: 0, scalars: true }))
    .about("Set on every event, over what the event says of itself.")
    .example({ app: "api", namespace: "shop" })
    .optional(),
  table: table.about("Adds what a table knows of the event.").optional(),
}).check((value, report) => {
  if (value.fields !== undefined || value.table !== undefined) return;
  report("", "enrich: nothing to add, expected fields, or table, or both");
});

type Config = Infer<typeof config>;
type TableConfig = Infer<typeof table>;

export const enrich: TransformDefinition<Config> = {
  name: "enrich",
  summary: "Adds fixed fields, such as the app's name, and what a table knows of an event.",
  status: "beta",
  security:
    "An event cannot claim another app's name: the fields here win. Reads the table's file and" +
    " watches its folder; its size is bounded.",
  config,
  examples: [
    {
      title: "Which app a line came from",
      config: { fields: { app: "api", namespace: "shop" } },
      lines: ["started"],
      events: [{ message: "started", app: "api", namespace: "shop" }],
    },
    {
      title: "A table",
      config: {
        table: { file: "users.csv", key: "id", by: "event.message", into: "user" },
      },
      files: { "users.csv": 'id,name,team\n7,Ann,shop\n8,"Bob, B.",search\n' },
      lines: ["7", "9", "8"],
      events: [
        { message: "7", user: { name: "Ann", team: "shop" } },
        { message: "9" },
        { message: "8", user: { name: "Bob, B.", team: "search" } },
      ],
    },
  ],
  create: (settings, context) => new Enrich(settings, context),
};

class Enrich implements Transform {
  #fields: readonly (readonly [string, string])[];
  #table: Table | null;
  #context: TransformContext;

  constructor(settings: Config, context: TransformContext) {
    this.#fields = Object.entries(settings.fields ?? {});
    this.#context = context;
    this.#table = settings.table === undefined ? null : new Table(settings.table, context);
  }

  apply(events: Event[]): Event[] {
    const table = this.#table;
    let kept = 0;
    for (const event of events) {
      const reason = table === null ? null : table.add(event);
      if (reason !== null && !this.#context.failed(event, reason)) continue;
      if (this.#fields.length > 0) {
        const fields = event.decode();
        for (const [name, value] of this.#fields) fields[name] = value;
      }
      events[kept++] = event;
    }
    events.length = kept;
    return events;
  }

  close(): void {
    this.#table?.close();
  }
}

class Table {
  #settings: TableConfig;
  #context: TransformContext;
  #path: string;
  #file: WatchedFile;
  #rows: LookupTable | null = null;

  constructor(settings: TableConfig, context: TransformContext) {
    this.#settings = settings;
    this.#context = context;
    this.#path = inFolder(context.folder, settings.file);
    this.#file = new WatchedFile(context.world, this.#path, () => this.#read());
    this.#read();
  }

  close(): void {
    this.#file.close();
  }

  /** The reason where it failed. */
  add(event: Event): string | null {
    const { by, into, onMissing } = this.#settings;
    if (this.#rows === null) return onMissing === "fail" ? "no-table" : null;
    const key = by(event);
    const row =
      typeof key === "string" || typeof key === "number" ? this.#rows.get(String(key)) : undefined;
    if (row === undefined) {
      this.#context.count("not_in_table");
      return onMissing === "fail" ? "not-in-table" : null;
    }
    const fields = event.decode();
    if (into !== undefined) return setAt(fields, into, { ...row }) ? null : "no-place";
    for (const name of Object.keys(row)) fields[name] ??= row[name];
    return null;
  }

  #read(): void {
    const { file, key, columns, maxBytes } = this.#settings;
    const format = file.endsWith(".csv") ? "csv" : "json";
    const read = (written: string): LookupTable | string =>
      parseLookupTable(written, format, key ?? null, columns ?? null);
    const rows = this.#load(read, maxBytes);
    if (typeof rows !== "string") {
      this.#rows = rows;
      return;
    }
    this.#context.count("load_failures");
    const then = this.#rows === null ? "nothing is added" : "the table before stays in force";
    this.#context.report(`${this.#path} cannot be used: ${rows}; ${then}`);
  }

  #load(parse: (written: string) => LookupTable | string, maxBytes: number): LookupTable | string {
    const { files } = this.#context.world;
    try {
      const stat = files.stat(this.#path);
      if (stat !== null && stat.sizeBytes > maxBytes) {
        return `it has ${stat.sizeBytes} bytes, more than maxBytes allows`;
      }
      return parse(files.readText(this.#path));
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      return error.message;
    }
  }
}
