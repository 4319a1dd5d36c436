import type { AppDocument } from "../../api/document.ts";
import { podsService } from "./cluster_site.ts";
import { ADMIN_SERVICE_PORT, METRICS_LABEL } from "./monitors.ts";
import { INBOUND_PORT } from "./names.ts";
import { type KubeObject, kubeObject } from "./object.ts";
import { labelsOf, type Rendering, selectorOf } from "./rendering.ts";
import { because, from } from "./sourced.ts";

const SERVICE = ["v1", "Service"] as const;

/**
 * The name that others call an App by, which leads to its sidecars and never past them; and the same
 * pods without an address in between, for sidecars that balance over them.
 */
export function services({ target }: Rendering, app: AppDocument): readonly KubeObject[] {
  const { port, sidecar, bypass } = app.spec;
  const isMonitored = sidecar.enabled && target.monitoring === "services";
  const isCalled = port !== undefined || bypass.length > 0;
  if (!isCalled && !isMonitored) return [];
  const asked = port !== undefined ? ["spec", "port"] : isCalled ? ["spec", "bypass"] : ["spec"];
  const origin = app.origin(asked);
  const metadata = { namespace: app.namespace, labels: labelsOf(app) };
  const targetPort = sidecar.enabled
    ? because("the sidecar's: nobody comes past it", INBOUND_PORT)
    : from(app, ["spec", "port"], port);
  const main = {
    ...{ name: "http", port: from(app, ["spec", "port"], port), protocol: "TCP", targetPort },
    appProtocol: "http",
  };
  const ports = [
    ...(port === undefined ? [] : [main]),
    ...bypass.map((one, index) => {
      const path = ["spec", "bypass", index, "port"];
      const name = `bypass-${one.port}`;
      return { name, port: from(app, path, one.port), protocol: "TCP", targetPort: one.port };
    }),
  ];
  const selector = selectorOf(app.name);
  const called = kubeObject(SERVICE, { ...metadata, name: app.name }, origin, {
    spec: { type: "ClusterIP", selector, ports },
  });
  const labels = isMonitored ? { ...metadata.labels, [METRICS_LABEL]: "pods" } : metadata.labels;
  const pods = kubeObject(SERVICE, { ...metadata, labels, name: podsService(app.name) }, origin, {
    spec: {
      clusterIP: because("each pod by itself: the caller's sidecar chooses", "None"),
      selector,
      ports: isMonitored ? [...ports, ADMIN_SERVICE_PORT] : ports,
    },
  });
  return isCalled ? [called, pods] : [pods];
}
