/**
 * As much of Elasticsearch's API as its clients ask for before they send `_bulk` requests: what
 * answers, and under which licence. Nothing is stored, so nothing else is offered: switch off the
 * set-up of templates and lifecycles in the client.
 */
import type { ServerAnswer } from "../../http/server.ts";

/** Clients refuse a server that does not say so. */
const PRODUCT = { "x-elastic-product": "Elasticsearch" };
const JSON_TYPE = { ...PRODUCT, "content-type": "application/json" };

export function isElasticPath(path: string): boolean {
  return /^\/(?:[^/]+\/)?_bulk\/?$/.test(path);
}

/** `path` of a GET or HEAD, or `bulk` with the answer's text. */
export function elasticAnswer(path: string, version: string, bulk = ""): ServerAnswer {
  if (path === "bulk") return { status: 200, headers: JSON_TYPE, body: bulk };
  switch (path.replace(/(?<=.)\/$/, "")) {
    case "/":
      return answer(200, {
        name: "outrigger",
        cluster_name: "outrigger",
        cluster_uuid: "outrigger",
        version: {
          number: version,
          build_flavor: "default",
          build_type: "tar",
          build_snapshot: false,
          minimum_wire_compatibility_version: "7.17.0",
          minimum_index_compatibility_version: "7.0.0",
        },
        tagline: "You Know, for Search",
      });
    case "/_license":
      return answer(200, { license: { status: "active", uid: "outrigger", type: "basic" } });
    case "/_xpack": {
      const license = { uid: "outrigger", type: "basic", mode: "basic", status: "active" };
      return answer(200, { license, features: {} });
    }
    case "/_cluster/health":
      return answer(200, { cluster_name: "outrigger", status: "green", timed_out: false });
    case "/_cat/health":
      return { status: 200, headers: PRODUCT, body: "outrigger green\n" };
    default:
      return elasticError(404, "resource_not_found_exception", "events are taken, none are kept");
  }
}

/** An error in the form that Elasticsearch's clients read, and people too. */
export function elasticError(status: number, type: string, reason: string): ServerAnswer {
  const error = { type, reason };
  return answer(status, { error: { root_cause: [error], ...error }, status });
}

function answer(status: number, value: unknown): ServerAnswer {
  return { status, headers: JSON_TYPE, body: `${JSON.stringify(value)}\n` };
}
