/** ArcSight's Common Event Format, version 25 (Micro Focus, "Implementing ArcSight CEF", 2017). */

export interface CefEvent {
  readonly version: number;
  readonly vendor: string;
  readonly product: string;
  readonly deviceVersion: string;
  readonly signature: string;
  readonly name: string;
  /** 0 to 10, or a word. */
  readonly severity: string;
  readonly extensions: Readonly<Record<string, string>>;
  /** In front of it, such as a syslog header. */
  readonly prefix: string;
}

/** Seven bars end the header. */
const HEADER_FIELDS = 7;
const EXTENSION_KEY = /(?:^|[ ])([A-Za-z0-9_.[\]-]{1,100})=/g;

/** Null where the line holds none. */
export function parseCef(line: string): CefEvent | null {
  const start = line.indexOf("CEF:");
  if (start < 0) return null;
  const header: string[] = [];
  let at = start + 4;
  for (let from = at; header.length < HEADER_FIELDS && at <= line.length; at++) {
    const character = line[at];
    if (character === "\\") at += 1;
    else if (
      character === "|" ||
      (character === undefined && header.length === HEADER_FIELDS - 1)
    ) {
      header.push(line.slice(from, at).replace(/\\([\\|])/g, "$1"));
      from = at + 1;
    }
  }
  if (header.length < HEADER_FIELDS || !/^\d$/.test(header[0]!)) return null;
  const [version, vendor, product, deviceVersion, signature, name, severity] = header;
  return {
    version: Number(version),
    vendor: vendor!,
    product: product!,
    deviceVersion: deviceVersion!,
    signature: signature!,
    name: name!,
    severity: severity!,
    extensions: extensionsOf(line.slice(at)),
    prefix: line.slice(0, start).trimEnd(),
  };
}

/** Values hold spaces: a value ends where the next ` key=` begins. A `=` in a value is escaped. */
function extensionsOf(text: string): Record<string, string> {
  const extensions: Record<string, string> = {};
  const matches = [...text.matchAll(EXTENSION_KEY)];
  for (const [i, match] of matches.entries()) {
    const from = match.index + match[0].length;
    const to = matches[i + 1]?.index ?? text.length;
    const key = match[1]!;
    if (key !== "__proto__") extensions[key] = unescape(text.slice(from, to).trimEnd());
  }
  return extensions;
}

function unescape(text: string): string {
  return text.replace(/\\([\\=nr|])/g, (_, one: string) =>
    one === "n" ? "\n" : one === "r" ? "\r" : one,
  );
}
