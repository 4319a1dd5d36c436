/**
 * OCI images without a tool for them: one layer, the same bytes for the same files (OCI image layout
 * 1.0).
 */
import { createHash } from "node:crypto";
import { type TarFile, tarOf } from "../src/codec/tar.ts";

export type ImageFile = TarFile;

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
