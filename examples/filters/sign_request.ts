/**
 * Signs calls: HMAC-SHA256 over method, path, query, date and body. The callee checks it, and the
 * app that calls knows neither the key nor the algorithm.
 */
import { createHash, createHmac } from "node:crypto";
import type { FilterModule } from "outrigger/filter";

const signRequest: FilterModule = ({ config, env }) => {
  const variable = String(config["keyFrom"]);
  const key = env(variable);
  if (key === undefined) throw new Error(`${variable} is not set`);
  return {
    // With the whole body at hand, and before the head is sent.
    onRequestBody(body, request) {
      const date = new Date().toISOString();
      const digest = createHash("sha256").update(body).digest("hex");
      const text = [request.method, request.path, request.query, date, digest].join("\n");
      const signature = createHmac("sha256", key).update(text).digest("hex");
      request.headers.set("x-date", date);
      request.headers.set("x-signature", `keyId=${config["keyId"]},sha256=${signature}`);
    },
  };
};

export default signRequest;
