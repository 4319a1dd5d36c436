import type { AppDocument } from "../../api/document.ts";
import { INBOUND_PORT } from "./names.ts";
import { because, from, type Tree } from "./sourced.ts";

/**
 * Ready is asked through the sidecar: pods whose sidecar cannot serve get no requests. Alive is asked
 * of the app itself: an ill sidecar is no reason to restart it.
 */
export function probesOf(app: AppDocument): { readonly [probe: string]: Tree } {
  const { port, health, sidecar } = app.spec;
  if (port === undefined) return {};
  const through = sidecar.enabled && app.spec.tls === undefined ? INBOUND_PORT : port;
  const ready =
    health?.ready === undefined
      ? { tcpSocket: { port: because("nobody says how to ask it: add health.ready", port) } }
      : {
          httpGet: {
            path: from(app, ["spec", "health", "ready"], health.ready),
            port: because("through the sidecar: both must be able to serve", through),
          },
        };
  return {
    startupProbe: {
      tcpSocket: { port },
      periodSeconds: 1,
      failureThreshold: because("two minutes to start before it counts as broken", 120),
    },
    readinessProbe: { ...ready, periodSeconds: 5, timeoutSeconds: 2, failureThreshold: 2 },
    livenessProbe:
      health?.live === undefined
        ? undefined
        : {
            httpGet: {
              path: from(app, ["spec", "health", "live"], health.live),
              port: because("the app's own: an ill sidecar is no reason to restart it", port),
            },
            periodSeconds: 10,
            timeoutSeconds: 5,
            failureThreshold: because("a minute of silence, so that a pause is no restart", 6),
          },
  };
}
