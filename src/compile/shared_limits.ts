/** Where the Redis servers are that a workload's limits are shared by. */
import type { AnyDocument, MeshDocument } from "../api/document.ts";
import type { RateLimit } from "../api/rate_limit_spec.ts";
import { redisBinding } from "../api/redis_spec.ts";
import type { Path } from "../schema/node.ts";
import type { Draft } from "./draft.ts";
import type { Context } from "./source.ts";

/** Adds the binding of the Redis that a limit names. `path` is where the limit's parent stands. */
export function addSharedLimit(
  draft: Draft,
  context: Context,
  document: AnyDocument,
  path: Path,
  limit: RateLimit | undefined,
): void {
  if (limit?.shared === undefined) return;
  const { redis: name } = limit.shared;
  const mesh = meshWith(context, name);
  if (mesh === undefined) {
    context.report(document, [...path, "rateLimit", "shared", "redis"], {
      found: `"${name}"`,
      message: `rateLimit: no Mesh says where the Redis ${name} is`,
      advice: `add a Mesh with redis: { ${name}: { url: "redis://127.0.0.1:6379" } }`,
    });
    return;
  }
  draft.addRedis(name, {
    ...redisBinding(mesh.spec.redis[name]!),
    ...context.site.redis?.[name],
  });
  const at = ["bindings", "redis", name];
  const field = ["spec", "redis", name];
  draft.note(at, mesh, field);
  for (const member of ["host", "port", "database"]) {
    draft.note([...at, member], mesh, [...field, "url"]);
  }
  for (const member of [["user"], ["password"], ["password", "env"], ["password", "file"]]) {
    draft.note([...at, ...member], mesh, [...field, ...member]);
  }
}

function meshWith(context: Context, name: string): MeshDocument | undefined {
  return context.documents.meshes.find(({ spec }) => Object.hasOwn(spec.redis, name));
}
