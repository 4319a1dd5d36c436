import { basename, dirname, join } from "node:path";

/** `logs/app-{{day}}.jsonl`: at most one place, in the file's own name, that time fills. */
export interface PathTemplate {
  readonly folder: string;
  pathAt(wallMs: number): string;
  /**
   * Of a name in the folder: a key by which what was made of this template sorts from old to new,
   * or null for what was not.
   */
  keyOf(name: string): string | null;
}

/** How much of `2026-11-21T15` each one shows. */
const LENGTHS = { month: 7, day: 10, hour: 13 } as const;
const PLACE = /\{\{\s*(month|day|hour)\s*\}\}/g;

/** What is wrong with a template, or null. */
export function pathProblem(written: string): string | null {
  const places = written.match(PLACE) ?? [];
  if (/[{}]/.test(written.replace(PLACE, ""))) return "a place is {{hour}}, {{day}} or {{month}}";
  if (places.length > 1) return "one place at most, such as {{day}}";
  if (basename(written).match(PLACE)?.length !== places.length && places.length > 0) {
    return "the place belongs into the file's name, and not into a folder's";
  }
  if (/[\0\n\r]/.test(written) || /(^|\/)\.{0,2}$/.test(written)) return "the path of a file";
  return null;
}

/** @param path absolute, and without a problem. */
export function pathTemplate(path: string): PathTemplate {
  const [before, kind, after] = basename(path).split(PLACE) as [string, string?, string?];
  const folder = dirname(path);
  const length = kind === undefined ? 0 : LENGTHS[kind as keyof typeof LENGTHS];
  const digits = "dddd-dd-ddTdd".slice(0, length).replaceAll("d", "\\d");
  const name = `${quoted(before)}(${digits})${quoted(after ?? "")}`;
  const pattern = new RegExp(`^${name}(?:\\.(${STAMP.source}))?(?:\\.gz)?$`);
  let lastTime = "";
  let lastPath = "";
  return {
    folder,
    pathAt: (wallMs) => {
      if (length === 0) return path;
      const time = new Date(wallMs).toISOString().slice(0, length);
      if (time !== lastTime) {
        lastTime = time;
        lastPath = join(folder, `${before}${time}${after}`);
      }
      return lastPath;
    },
    keyOf: (found) => {
      const match = pattern.exec(found);
      // What has no stamp is the newest of its time.
      return match === null ? null : `${match[1]} ${match[2] ?? "~"}`;
    },
  };
}

export const STAMP = /\d{8}T\d{6}Z(?:-\d{3})?/;

/** `20261121T150405Z`: put behind the name of a file that is done. */
export function stampAt(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(0, 19).replace(/[-:]/g, "")}Z`;
}

function quoted(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
