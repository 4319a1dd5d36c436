import type { Stream } from "../stream.ts";
import type { DirectAnswer, FilterComponent } from "./filter.ts";

interface Config {
  readonly status: number;
  readonly scheme?: string;
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  /** The route's path, without a final slash, and what stands in its place. */
  readonly from?: string;
  readonly prefix?: string;
}

/** Sends callers elsewhere (RFC 9110, 15.4). */
export const redirect: FilterComponent = {
  name: "redirect",
  summary: "Answers with the place where a request should go instead.",
  status: "stable",
  security: "A caller's path never becomes another host: slashes in front of it are made one.",
  create: (config) => {
    const wanted = config as unknown as Config;
    return {
      onRequestHeaders: (stream: Stream): DirectAnswer => ({
        status: wanted.status,
        headers: { location: locationOf(stream, wanted) },
        body: "",
      }),
    };
  },
};

function locationOf({ head }: Stream, wanted: Config): string {
  const { scheme, host, port, path, from = "", prefix } = wanted;
  const below = head.path.slice(from.length);
  const moved = prefix === undefined ? path : prefix.replace(/\/$/, "") + below;
  const query = head.target.slice(head.path.length);
  // "//x" and "/\x" would be read as a host (WHATWG URL, 4.4).
  const local = `${moved ?? head.path}`.replace(/^[/\\]*/, "/") + query;
  if (scheme === undefined && host === undefined) return local;
  const name = host ?? head.host.replace(/:\d*$/, "");
  const authority = port === undefined ? name : `${name}:${port}`;
  return `${scheme === undefined ? "" : `${scheme}:`}//${authority}${local}`;
}
