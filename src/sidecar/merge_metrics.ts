/**
 * Several Prometheus texts to one: a family stands once, with all its samples below it, as the
 * exposition format asks. The first HELP and TYPE of a family count; samples that a later text has for
 * another type would make the whole invalid, and are left out.
 */
export function mergeMetrics(texts: readonly string[]): string {
  const families = new Map<string, { comments: Map<string, string>; samples: string[] }>();
  const family = (name: string) => {
    const known = families.get(name) ?? { comments: new Map<string, string>(), samples: [] };
    families.set(name, known);
    return known;
  };
  for (const text of texts) {
    let typed = "";
    let isOther = false;
    for (const line of text.split("\n")) {
      const comment = /^# (HELP|TYPE) (\S+)/.exec(line);
      if (comment !== null) {
        typed = comment[2] ?? "";
        const { comments } = family(typed);
        const kind = comment[1] ?? "";
        if (kind === "TYPE") isOther = (comments.get(kind) ?? line) !== line;
        if (!comments.has(kind)) comments.set(kind, line);
        continue;
      }
      if (line === "" || line.startsWith("#")) continue;
      const name = /^[A-Za-z_:][A-Za-z0-9_:]*/.exec(line)?.[0] ?? "";
      const owner = belongsTo(name, typed) ? typed : name;
      if (owner !== typed || !isOther) family(owner).samples.push(line);
    }
  }
  const lines: string[] = [];
  for (const { comments, samples } of families.values()) {
    for (const kind of ["HELP", "TYPE"]) {
      const comment = comments.get(kind);
      if (comment !== undefined) lines.push(comment);
    }
    lines.push(...samples);
  }
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

function belongsTo(sample: string, family: string): boolean {
  if (family === "" || !sample.startsWith(family)) return false;
  return ["", "_bucket", "_sum", "_count", "_total", "_created"].includes(
    sample.slice(family.length),
  );
}
