import type { AppDocument } from "../../api/document.ts";
import { podsService } from "./cluster_site.ts";
import { INBOUND_PORT } from "./names.ts";
import { type KubeObject, kubeObject } from "./object.ts";
import { labelsOf, selectorOf } from "./rendering.ts";
import { because, from } from "./sourced.ts";

const SERVICE = ["v1", "Service"] as const;

/**
 * The name that others call an App by, which leads to its sidecars and never past them; and the same
 * pods without an address in between, for sidecars that balance over them.
 */
export function services(app: AppDocument): readonly KubeObject[] {
  const { port, sidecar, bypass } = app.spec;
  if (port === undefined && bypass.length === 0) return [];
  const origin = app.origin(port === undefined ? ["spec", "bypass"] : ["spec", "port"]);
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
  return [
    kubeObject(SERVICE, { ...metadata, name: app.name }, origin, {
      spec: { type: "ClusterIP", selector, ports },
    }),
    kubeObject(SERVICE, { ...metadata, name: podsService(app.name) }, origin, {
      spec: {
        clusterIP: because("each pod by itself: the caller's sidecar chooses", "None"),
        selector,
        ports,
      },
    }),
  ];
}
