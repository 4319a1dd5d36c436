import { gzip } from "../../base/gzip.ts";
import { tarOf } from "../../codec/tar.ts";

/**
 * A chart as `helm install`, `helm push` and `helm pull` know it: a packed tar with one folder, of
 * the chart's name. The same files give the same bytes.
 */
export function chartPackage(name: string, files: ReadonlyMap<string, string>): Uint8Array {
  const kept = [...files].filter(([path]) => path !== ".helmignore");
  // Helm reads the first file to learn what it holds.
  const order = (path: string): string => (path === "Chart.yaml" ? "" : path);
  kept.sort(([a], [b]) => (order(a) < order(b) ? -1 : 1));
  const encoder = new TextEncoder();
  const entries = kept.map(([path, text]) => {
    return { path: `${name}/${path}`, mode: 0o644, bytes: encoder.encode(text) };
  });
  return gzip(tarOf(entries));
}
