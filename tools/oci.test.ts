import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOf, type ImageConfig, type ImageFile, imageTar } from "./oci.ts";

const FILES: readonly ImageFile[] = [
  { path: "etc/passwd", mode: 0o644, bytes: Buffer.from("a:x:1:1::/:/a\n") },
  { path: "app", mode: 0o755, bytes: Buffer.alloc(1_000, 7) },
  { path: "tmp/", mode: 0o1777, bytes: new Uint8Array() },
];

const CONFIG: ImageConfig = {
  ...{ name: "e2e.local/a:1", architecture: "amd64", user: "1:1", entrypoint: ["/app"] },
  ...{ folder: "/tmp", labels: {} },
};

test("S2-7 an image is the same bytes again, and tar reads it and its layer", async () => {
  const image = imageTar(FILES, CONFIG);
  expect(digestOf(imageTar([...FILES].reverse(), CONFIG))).toBe(digestOf(image));
  const folder = mkdtempSync(join(tmpdir(), "outrigger-oci-"));
  try {
    const run = (...command: string[]): string => {
      const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd: folder });
      expect([command[1], exitCode, stderr.toString()]).toEqual([command[1], 0, ""]);
      return stdout.toString();
    };
    writeFileSync(join(folder, "image.tar"), image);
    run("tar", "-xf", "image.tar");
    const index = JSON.parse(run("cat", "index.json"));
    const blob = (digest: string) => `blobs/${digest.replace(":", "/")}`;
    const manifest = JSON.parse(run("cat", blob(index.manifests[0].digest)));
    const config = JSON.parse(run("cat", blob(manifest.config.digest)));
    const [layer] = manifest.layers;
    expect(config.rootfs.diff_ids).toEqual([layer.digest]);
    expect([config.config.User, config.config.Entrypoint]).toEqual(["1:1", ["/app"]]);
    const listed = run("tar", "-tvf", blob(layer.digest)).split("\n").filter(Boolean);
    expect(listed.map((line) => [line.slice(0, 10), line.split(" ").at(-1)])).toEqual([
      ["-rwxr-xr-x", "app"],
      ["drwxr-xr-x", "etc/"],
      ["-rw-r--r--", "etc/passwd"],
      ["drwxrwxrwt", "tmp/"],
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
