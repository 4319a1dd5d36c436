/**
 * Lets only callers in that bring a good token, `Authorization: Bearer NAME.EXPIRES.MAC`, and tells
 * the app who they are. The app itself knows nothing of tokens.
 */
import type { FilterModule } from "outrigger/filter";
import { readToken } from "./lib/token.ts";

const customAuth: FilterModule = ({ config, env }) => {
  const secret = env("NOTES_SECRET");
  // What the code throws while it is loaded keeps it from being put in force.
  if (secret === undefined) throw new Error("NOTES_SECRET is not set");
  const open: readonly string[] = config["open"] ?? [];
  return {
    onRequest(request, ctx) {
      // A caller could name itself otherwise.
      request.headers.remove("x-user");
      if (open.includes(request.path)) return undefined;
      const given = request.headers.get("authorization") ?? "";
      const user = readToken(given.replace(/^Bearer /, ""), secret, Date.now());
      if (user === null) {
        const headers = { "www-authenticate": "Bearer", "content-type": "application/json" };
        return ctx.respond(401, headers, '{"error":"a token is needed"}\n');
      }
      request.headers.set("x-user", user);
      request.headers.remove("authorization");
      ctx.state["user"] = user;
      return undefined;
    },
    onResponse(response, ctx) {
      // What one user may see is not for a shared cache.
      if (ctx.state["user"] !== undefined) response.headers.set("cache-control", "private");
    },
  };
};

export default customAuth;
