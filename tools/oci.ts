/**
 * OCI images without a tool for them: one layer, the same bytes for the same files (OCI image layout
 * 1.0, ustar after POSIX.1-1988).
 */
import { createHash } from "node:crypto";

export interface ImageFile {
  /** Below the root, without a slash in front: `etc/passwd`. A folder ends in `/`. */
  readonly path: string;
  readonly mode: number;
  readonly bytes: Uint8Array;
  /** 0 if missing. */
  readonly owner?: number;
}

export interface ImageConfig {
  /** `registry.example.com/outrigger:1`: how a container runtime will name it. */
  readonly name: string;
  readonly architecture: "amd64" | "arm64";
  /** `65532:65532`. */
  readonly user: string;
  readonly entrypoint: readonly string[];
  readonly folder: string;
  readonly labels: Readonly<Record<string, string>>;
}

const LAYER = "application/vnd.oci.image.layer.v1.tar";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/** A tar of an OCI image layout, as `ctr images import`, `skopeo` and `docker load` take it. */
export function imageTar(files: readonly ImageFile[], config: ImageConfig): Uint8Array {
  const layer = tarOf(withFolders(files));
  const configBytes = json({
    architecture: config.architecture,
    os: "linux",
    config: {
      User: config.user,
      Entrypoint: config.entrypoint,
      WorkingDir: config.folder,
      Env: ["PATH=/usr/bin:/bin"],
      Labels: config.labels,
    },
    rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: CONFIG, digest: digestOf(configBytes), size: configBytes.length },
    layers: [{ mediaType: LAYER, digest: digestOf(layer), size: layer.length }],
  });
  const index = json({
    schemaVersion: 2,
    manifests: [
      {
        mediaType: MANIFEST,
        digest: digestOf(manifest),
        size: manifest.length,
        annotations: {
          "io.containerd.image.name": config.name,
          "org.opencontainers.image.ref.name": config.name.slice(config.name.lastIndexOf(":") + 1),
        },
      },
    ],
  });
  const blob = (bytes: Uint8Array): ImageFile => {
    return { path: `blobs/sha256/${digestOf(bytes).slice("sha256:".length)}`, mode: 0o644, bytes };
  };
  return tarOf([
    { path: "oci-layout", mode: 0o644, bytes: json({ imageLayoutVersion: "1.0.0" }) },
    { path: "index.json", mode: 0o644, bytes: index },
    ...[layer, configBytes, manifest].map(blob).sort(byPath),
  ]);
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function byPath(a: ImageFile, b: ImageFile): number {
  return a.path < b.path ? -1 : 1;
}

/** Each folder stands before what is in it. */
function withFolders(files: readonly ImageFile[]): readonly ImageFile[] {
  const all = new Map<string, ImageFile>();
  for (const { path } of files) {
    const steps = path.replace(/\/$/, "").split("/").slice(0, -1);
    for (const index of steps.keys()) {
      const folder = `${steps.slice(0, index + 1).join("/")}/`;
      all.set(folder, { path: folder, mode: 0o755, bytes: new Uint8Array() });
    }
  }
  for (const file of files) all.set(file.path, file);
  return [...all.values()].sort(byPath);
}

const BLOCK = 512;

/** @throws Error for a path of more than 100 bytes */
export function tarOf(files: readonly ImageFile[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const file of files) {
    parts.push(header(file), file.bytes);
    const rest = file.bytes.length % BLOCK;
    if (rest !== 0) parts.push(new Uint8Array(BLOCK - rest));
  }
  parts.push(new Uint8Array(2 * BLOCK));
  return Buffer.concat(parts);
}

function header({ path, mode, bytes, owner = 0 }: ImageFile): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  if (Buffer.byteLength(path) > 100) throw new Error(`${path} is too long for a tar`);
  const octal = (value: number, at: number, length: number): void => {
    block.write(value.toString(8).padStart(length - 1, "0"), at, "latin1");
  };
  block.write(path, 0, "utf8");
  octal(mode, 100, 8);
  octal(owner, 108, 8);
  octal(owner, 116, 8);
  octal(bytes.length, 124, 12);
  octal(0, 136, 12);
  block.write("        ", 148, "latin1");
  block.write(path.endsWith("/") ? "5" : "0", 156, "latin1");
  block.write("ustar\u000000", 257, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\u0000 `, 148, "latin1");
  return block;
}
