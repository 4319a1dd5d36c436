import type { AppDocument } from "../../api/document.ts";
import { INBOUND_PORT } from "./names.ts";
import { because, from, type Tree } from "./sourced.ts";

/**
 * The app is asked through its sidecar, so that it need not listen beyond the pod's own loopback, and
 * a pod whose sidecar cannot serve gets no requests. A sidecar that is ill is restarted by its own
 * probe, within a quarter of the time after which the app would be.
 */
export function probesOf(app: AppDocument): { readonly [probe: string]: Tree } {
  const { port, health, sidecar, tls } = app.spec;
  if (port === undefined || health === undefined) return {};
  const { ready, live = ready } = health;
  const asked = ready ?? live;
  if (asked === undefined) return {};
  const get = (field: "ready" | "live", path: string): Tree => ({
    httpGet: {
      path: from(app, ["spec", "health", field], path),
      port: sidecar.enabled
        ? because("through the sidecar: both must be able to serve", INBOUND_PORT)
        : port,
      scheme: tls === undefined || !sidecar.enabled ? undefined : "HTTPS",
    },
  });
  return {
    startupProbe: {
      ...(get("ready", asked) as object),
      periodSeconds: 1,
      timeoutSeconds: 2,
      failureThreshold: because("two minutes to start before it counts as broken", 120),
    },
    readinessProbe: {
      ...(get("ready", asked) as object),
      periodSeconds: 5,
      timeoutSeconds: 2,
      failureThreshold: 2,
    },
    livenessProbe:
      health.live === undefined || live === undefined
        ? undefined
        : {
            ...(get("live", live) as object),
            periodSeconds: 10,
            timeoutSeconds: 5,
            failureThreshold: because("a minute of silence, so that a pause is no restart", 6),
          },
  };
}
