/** How requests from outside come to the gateway: whichever way the platform has. */
import type { AnyDocument } from "../../api/document.ts";
import type { Origin } from "../../api/snapshot.ts";
import { GATEWAY_NAME } from "../../compile/gateway.ts";
import { sha256Hex } from "../../base/hash.ts";
import { type KubeObject, kubeObject } from "./object.ts";
import { labelsOf, type Rendering } from "./rendering.ts";
import { because, Sourced, type Tree } from "./sourced.ts";

interface Host {
  readonly host: string;
  readonly origin: Origin;
}

/**
 * Hosts only: which path goes where, who may do what, is the gateway's own, and the same whatever
 * stands in front of it.
 */
export function ingressObjects(rendering: Rendering): readonly KubeObject[] {
  const { gateway, target } = rendering;
  const hosts = hostsOf(rendering);
  const [first] = hosts;
  if (gateway === null || first === undefined) return [];
  const { namespace } = gateway.workload;
  switch (target.ingress) {
    case "ingress":
      return [ingress(namespace, hosts, first, target.ingressClass)];
    case "gateway-api":
      return [httpRoute(namespace, hosts, first)];
    case "route":
      return hosts.map((one) => openshiftRoute(namespace, one));
  }
}

function hostsOf({ documents }: Rendering): readonly Host[] {
  const found = new Map<string, Host>();
  const add = (document: AnyDocument, host: string, path: readonly (string | number)[]): void => {
    if (!found.has(host)) found.set(host, { host, origin: document.origin([...path]) });
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

function ingress(
  namespace: string,
  hosts: readonly Host[],
  first: Host,
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
  return kubeObject(type, metadataOf(namespace, GATEWAY_NAME), first.origin, {
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

function openshiftRoute(namespace: string, { host, origin }: Host): KubeObject {
  const name = `${GATEWAY_NAME}-${sha256Hex(host).slice(0, 6)}`;
  const wildcard = host.startsWith("*.");
  return kubeObject(["route.openshift.io/v1", "Route"], metadataOf(namespace, name), origin, {
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
