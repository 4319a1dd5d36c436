/** Archives of files that are the same bytes for the same files (ustar, POSIX.1-1988). */

export interface TarFile {
  /** Below the root, without a slash in front: `etc/passwd`. A folder ends in `/`. */
  readonly path: string;
  readonly mode: number;
  readonly bytes: Uint8Array;
  /** User and group; 0 if missing. */
  readonly owner?: number;
}

const BLOCK = 512;
const MAX_NAME = 100;
const MAX_PREFIX = 155;

/** Times are 1970. @throws Error for a path that ustar has no room for */
export function tarOf(files: readonly TarFile[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const file of files) {
    parts.push(header(file), file.bytes);
    const rest = file.bytes.length % BLOCK;
    if (rest !== 0) parts.push(new Uint8Array(BLOCK - rest));
  }
  parts.push(new Uint8Array(2 * BLOCK));
  return Buffer.concat(parts);
}

function header({ path, mode, bytes, owner = 0 }: TarFile): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  const { prefix, name } = splitPath(path);
  const octal = (value: number, at: number, length: number): void => {
    block.write(value.toString(8).padStart(length - 1, "0"), at, "latin1");
  };
  block.write(name, 0, "utf8");
  octal(mode, 100, 8);
  octal(owner, 108, 8);
  octal(owner, 116, 8);
  octal(bytes.length, 124, 12);
  octal(0, 136, 12);
  block.write("        ", 148, "latin1");
  block.write(path.endsWith("/") ? "5" : "0", 156, "latin1");
  block.write("ustar\u000000", 257, "latin1");
  block.write(prefix, 345, "utf8");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\u0000 `, 148, "latin1");
  return block;
}

/** A long path stands in two fields, cut at a slash that neither holds. */
function splitPath(path: string): { readonly prefix: string; readonly name: string } {
  const length = (text: string): number => Buffer.byteLength(text);
  if (length(path) <= MAX_NAME) return { prefix: "", name: path };
  for (let at = path.indexOf("/"); at > 0; at = path.indexOf("/", at + 1)) {
    const [prefix, name] = [path.slice(0, at), path.slice(at + 1)];
    const fits = length(name) <= MAX_NAME && length(prefix) <= MAX_PREFIX;
    if (name !== "" && fits) return { prefix, name };
  }
  throw new Error(`${path} is too long for a tar`);
}
