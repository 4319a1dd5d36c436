/**
 * Makes the container image of dist/outrigger without a container tool: the binary, the C library
 * that it is linked with, CA certificates, a user. The same binary gives the same bytes.
 *
 *   bun tools/image.ts [--name NAME:TAG] [--out FILE]
 */
import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { SIDECAR_USER } from "../src/render/kubernetes/security.ts";
import { digestOf, type ImageFile, imageTar } from "./oci.ts";

const ROOT = join(import.meta.dir, "..");
/** Anybody but root; the same as in rendered pods. */
const USER = SIDECAR_USER;
const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      name: { type: "string", default: "outrigger.dev/outrigger:latest" },
      out: { type: "string", default: join(ROOT, "dist", "image.tar") },
      binary: { type: "string", default: join(ROOT, "dist", "outrigger") },
    },
  });
  const bytes = outriggerImage(values.binary, values.name);
  mkdirSync(dirname(values.out), { recursive: true });
  writeFileSync(values.out, bytes);
  const megabytes = (bytes.length / 1e6).toFixed(0);
  console.log(`${values.out}: ${values.name}, ${megabytes} MB, ${digestOf(bytes)}`);
}

export function outriggerImage(binary: string, name: string): Uint8Array {
  const text = (path: string, content: string): ImageFile => {
    return { path, mode: 0o644, bytes: new TextEncoder().encode(content) };
  };
  const copy = (from: string, path: string, mode = 0o755): ImageFile => {
    return { path, mode, bytes: readFileSync(from) };
  };
  const files = [
    copy(binary, "outrigger"),
    ...librariesOf(binary).map((path) => copy(realpathSync(path), path.slice(1))),
    ...(existsSync(CERTIFICATES) ? [copy(CERTIFICATES, CERTIFICATES.slice(1), 0o644)] : []),
    text("etc/passwd", `outrigger:x:${USER}:${USER}::/tmp:/sbin/nologin\n`),
    text("etc/group", `outrigger:x:${USER}:\n`),
    text("etc/nsswitch.conf", "hosts: files dns\n"),
    { path: "tmp/", mode: 0o1777, bytes: new Uint8Array() },
    { path: "run/outrigger/", mode: 0o755, bytes: new Uint8Array(), owner: USER },
  ];
  return imageTar(files, {
    name,
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    user: `${USER}:${USER}`,
    entrypoint: ["/outrigger"],
    folder: "/tmp",
    labels: {
      "org.opencontainers.image.title": "outrigger",
      "org.opencontainers.image.version": name.slice(name.lastIndexOf(":") + 1),
    },
  });
}

/** What the program is linked with, and what the C library loads to resolve names. */
function librariesOf(binary: string): readonly string[] {
  const { stdout } = Bun.spawnSync(["ldd", binary]);
  const linked = [...stdout.toString().matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path!);
  const libc = linked.find((path) => path.includes("/libc.so"));
  const names = ["libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"];
  const loaded = libc === undefined ? [] : names.map((one) => join(dirname(libc), one));
  return [...new Set([...linked, ...loaded.filter((path) => existsSync(path))])].sort();
}
