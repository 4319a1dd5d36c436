import { Failure } from "../../base/failure.ts";
import { isFieldValue } from "../../codec/headers.ts";
import type { Stream } from "../stream.ts";
import type { FilterComponent } from "./filter.ts";

/**
 * Names the callee as itself: an app calls its sidecar's address, and a server behind a name of its
 * own expects that name (RFC 9110, 7.2).
 */
export const setHost: FilterComponent = {
  name: "set_host",
  summary: "Replaces the request's host by the callee's own name.",
  status: "stable",
  security: "The name comes from the file, never from the caller.",
  create: ({ host }) => {
    if (typeof host !== "string" || host === "" || !isFieldValue(host)) {
      throw new Failure("refused", `set_host: ${JSON.stringify(host)} is not a host`);
    }
    return {
      onRequestHeaders(stream: Stream): undefined {
        stream.head.authority = host;
      },
    };
  },
};
