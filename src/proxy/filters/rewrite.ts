import type { Stream } from "../stream.ts";
import type { FilterComponent } from "./filter.ts";

interface Config {
  /** Without a final slash. */
  readonly from?: string;
  readonly prefix?: string;
  readonly host?: string;
}

/** Passes a request on under another prefix, or to another name. */
export const rewrite: FilterComponent = {
  name: "rewrite",
  summary: "Replaces the path's prefix, or the host, before a request is passed on.",
  status: "stable",
  security: "The route has been chosen by then: a rewrite never leads to another route's policy.",
  create: (config) => {
    const { from = "", prefix, host } = config as Config;
    const bare = prefix?.replace(/\/$/, "");
    return {
      onRequestHeaders({ head }: Stream): undefined {
        if (host !== undefined) head.authority = host;
        if (bare === undefined || head.target === "*") return;
        const target = bare + head.target.slice(from.length);
        head.rewritten = target.startsWith("/") ? target : `/${target}`;
      },
    };
  },
};
