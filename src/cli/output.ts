import type { World } from "../base/world.ts";

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Prints data on standard output: the same value in every format, a table where one fits. */
export async function printData(
  world: World,
  format: string,
  value: unknown,
  table?: () => Table,
): Promise<void> {
  world.stdio.stdout.write(await formatData(format, value, table));
}

export async function formatData(
  format: string,
  value: unknown,
  table?: () => Table,
): Promise<string> {
  if (format === "json") return `${JSON.stringify(value, null, 2)}\n`;
  if (format === "table" && table !== undefined) return formatTable(table());
  const { stringify } = await import("yaml");
  return stringify(value, { aliasDuplicateObjects: false });
}

export function formatTable({ columns, rows }: Table): string {
  const widths = columns.map((column, index) =>
    Math.max(column.length, ...rows.map((row) => (row[index] ?? "").length)),
  );
  const lines = [columns.map((column) => column.toUpperCase()), ...rows].map((cells) =>
    cells
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return `${lines.join("\n")}\n`;
}
