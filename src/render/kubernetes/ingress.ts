/** How requests from outside come to the gateway: whichever way the platform has. */
import type { AnyDocument } from "../../api/document.ts";
import type { Origin } from "../../api/snapshot.ts";
import { GATEWAY_NAME } from "../../compile/gateway.ts";
import { sha256Hex } from "../../base/hash.ts";
import { type DoorNetworks, doorNetworks, networksAnnotation } from "./door_networks.ts";
import { type KubeObject, kubeObject, type Metadata } from "./object.ts";
import { labelsOf, type Rendering } from "./rendering.ts";
import { because, Sourced, type Tree } from "./sourced.ts";

interface Host {
  readonly host: string;
  readonly origin: Origin;
  /** Who alone may come, where that holds for the whole host. */
  readonly door: DoorNetworks | null;
}

/**
 * Hosts only: which path goes where, who may do what, is the gateway's own, and the same whatever
 * stands in front of it. Where a controller can know who may come at all, it is told too.
 */
export function ingressObjects(rendering: Rendering): readonly KubeObject[] {
  const { gateway, target } = rendering;
  const hosts = hostsOf(rendering);
  const [first] = hosts;
  if (gateway === null || first === undefined) return [];
  const { namespace } = gateway.workload;
  switch (target.ingress) {
    case "ingress":
      return ingresses(namespace, hosts, target.ingressClass);
    case "gateway-api":
      return [httpRoute(namespace, hosts, first)];
    case "route":
      return hosts.map((one) => openshiftRoute(namespace, one));
  }
}

function hostsOf({ documents }: Rendering): readonly Host[] {
  const doors = doorNetworks(documents);
  const found = new Map<string, Host>();
  const add = (document: AnyDocument, host: string, path: readonly (string | number)[]): void => {
    if (found.has(host)) return;
    found.set(host, { host, origin: document.origin([...path]), door: doors.get(host) ?? null });
  };
  for (const mesh of documents.meshes) {
    for (const [index, { host }] of mesh.spec.routes.entries()) {
      add(mesh, host, ["spec", "routes", index, "host"]);
    }
  }
  for (const app of documents.apps) {
    for (const [index, { host }] of app.spec.ingress.entries()) {
      add(app, host, ["spec", "ingress", index, "host"]);
    }
  }
  return [...found.values()].sort((a, b) => (a.host < b.host ? -1 : 1));
}

function sourced(origin: Origin, value: Tree): Sourced {
  return new Sourced(value, { kind: "file", origin });
}

function metadataOf(namespace: string, name: string) {
  return { namespace, name, labels: labelsOf({ name: GATEWAY_NAME, labels: {} }) };
}

/** One for all hosts, and one of its own for each whose annotation is another. */
function ingresses(
  namespace: string,
  hosts: readonly Host[],
  ingressClass: string | null,
): readonly KubeObject[] {
  const annotation = networksAnnotation(ingressClass);
  const isClosed = ({ door }: Host): boolean => annotation !== null && door !== null;
  const open = hosts.filter((one) => !isClosed(one));
  return [
    ...(open.length === 0 ? [] : [ingress(metadataOf(namespace, GATEWAY_NAME), open, ingressClass)]),
    ...hosts.filter(isClosed).map((one) => {
      const metadata = {
        ...metadataOf(namespace, hostName(one)),
        annotations: { [annotation!]: sourced(one.door!.origin, one.door!.networks.join(",")) },
      };
      return ingress(metadata, [one], ingressClass);
    }),
  ];
}

/** Of an object that is for one host. */
function hostName({ host }: Host): string {
  return `${GATEWAY_NAME}-${sha256Hex(host).slice(0, 6)}`;
}

function ingress(
  metadata: Metadata,
  hosts: readonly Host[],
  ingressClassName: string | null,
): KubeObject {
  const backend = { service: { name: GATEWAY_NAME, port: { name: "http" } } };
  const rules = hosts.map(({ host, origin }) =>
    sourced(origin, {
      host: host === "*" ? undefined : host,
      http: { paths: [{ path: "/", pathType: "Prefix", backend }] },
    }),
  );
  const type = ["networking.k8s.io/v1", "Ingress"] as const;
  return kubeObject(type, metadata, hosts[0]!.origin, {
    spec: {
      ingressClassName:
        ingressClassName === null ? undefined : because("of the target", ingressClassName),
      rules,
    },
  });
}

function httpRoute(namespace: string, hosts: readonly Host[], first: Host): KubeObject {
  const names = hosts.filter(({ host }) => host !== "*");
  const type = ["gateway.networking.k8s.io/v1", "HTTPRoute"] as const;
  return kubeObject(type, metadataOf(namespace, GATEWAY_NAME), first.origin, {
    spec: {
      parentRefs: [{ name: because("the cluster's Gateway; an override names another", "gateway") }],
      hostnames:
        names.length < hosts.length ? undefined : names.map(({ host, origin }) => sourced(origin, host)),
      rules: [{ backendRefs: [{ name: GATEWAY_NAME, port: 80 }] }],
    },
  });
}

const ROUTE_NETWORKS = "haproxy.router.openshift.io/ip_whitelist";

function openshiftRoute(namespace: string, one: Host): KubeObject {
  const { host, origin, door } = one;
  const wildcard = host.startsWith("*.");
  const metadata = {
    ...metadataOf(namespace, hostName(one)),
    annotations:
      door === null ? {} : { [ROUTE_NETWORKS]: sourced(door.origin, door.networks.join(" ")) },
  };
  return kubeObject(["route.openshift.io/v1", "Route"], metadata, origin, {
    spec: {
      host: host === "*" ? undefined : sourced(origin, host.replace(/^\*/, "www")),
      wildcardPolicy: wildcard ? "Subdomain" : "None",
      to: { kind: "Service", name: GATEWAY_NAME, weight: 100 },
      port: { targetPort: "http" },
      tls: {
        termination: because("the platform's certificate; its router sends plain requests on", "edge"),
        insecureEdgeTerminationPolicy: "Redirect",
      },
    },
  });
}
