/** What runs outside the cluster, by a name of its own inside: the App's `dependencies`. */
import type { AppDocument } from "../../api/document.ts";
import type { DependencySpec } from "../../api/dependency_spec.ts";
import { parseAddress } from "../../base/ip_address.ts";
import type { Path } from "../../schema/node.ts";
import { formatDuration } from "../../schema/units.ts";
import { type KubeObject, kubeObject } from "./object.ts";
import { resourcesOf, WAIT_RESOURCES } from "./quantities.ts";
import { labelsOf, type Rendering } from "./rendering.ts";
import { sidecarSecurity } from "./security.ts";
import { because, from, type Tree } from "./sourced.ts";

function pathOf(name: string): Path {
  return ["spec", "dependencies", name];
}

function isAddress(host: string): boolean {
  return parseAddress(host) !== null;
}

/**
 * A name in DNS is a Service that says so; an address is a Service without a selector whose only
 * endpoint it is. Apps of a namespace that name the same thing share it.
 */
export function dependencyObjects(apps: readonly AppDocument[]): readonly KubeObject[] {
  const seen = new Set<string>();
  return apps.flatMap((app) =>
    Object.entries(app.spec.dependencies).flatMap(([name, one]) => {
      const key = `${app.namespace}/${name}`;
      if (seen.has(key)) return [];
      seen.add(key);
      return objectsOf(app, name, one);
    }),
  );
}

function objectsOf(app: AppDocument, name: string, one: DependencySpec): readonly KubeObject[] {
  const path = pathOf(name);
  const origin = app.origin(path);
  const metadata = { namespace: app.namespace, name, labels: labelsOf({ name, labels: {} }) };
  const host = from(app, [...path, "host"], one.host);
  const port = from(app, [...path, "port"], one.port);
  const service = ["v1", "Service"] as const;
  if (!isAddress(one.host)) {
    const spec = { type: "ExternalName", externalName: host };
    return [kubeObject(service, metadata, origin, { spec })];
  }
  const ports = [{ name: "main", port, targetPort: port, protocol: "TCP" }];
  const labels = {
    ...metadata.labels,
    "kubernetes.io/service-name": name,
    "endpointslice.kubernetes.io/managed-by": because("of no controller: an apply keeps it", "outrigger"),
  };
  return [
    kubeObject(service, metadata, origin, {
      spec: { type: because("no selector: it leads to no pod", "ClusterIP"), ports },
    }),
    kubeObject(["discovery.k8s.io/v1", "EndpointSlice"], { ...metadata, labels }, origin, {
      addressType: one.host.includes(":") ? "IPv6" : "IPv4",
      endpoints: [{ addresses: [host], conditions: { ready: true } }],
      ports: [{ name: "main", port, protocol: "TCP" }],
    }),
  ];
}

/** What the App's pods may say to them; policies know addresses, so a name is its networks. */
export function dependencyEgress(app: AppDocument): readonly Tree[] {
  return Object.entries(app.spec.dependencies).map(([name, { host, port, networks }]) => {
    const open = ["0.0.0.0/0", "::/0"];
    const blocks = isAddress(host) ? [oneAddress(host)] : (networks ?? open);
    const to = blocks.map((cidr) => ({ ipBlock: { cidr } }));
    return from(app, pathOf(name), { to, ports: [{ port, protocol: "TCP" }] });
  });
}

/** The network that is one address. */
export function oneAddress(host: string): string {
  return `${host}/${host.includes(":") ? 128 : 32}`;
}

/** Variables from the Secrets of dependencies. */
export function dependencySecrets(app: AppDocument): Tree {
  const all = Object.entries(app.spec.dependencies).flatMap(([name, { secret }]) => {
    if (secret === undefined) return [];
    const prefix = `${name.toUpperCase().replaceAll("-", "_").replace(/^(?=\d)/, "_")}_`;
    return [from(app, [...pathOf(name), "secret"], { prefix, secretRef: { name: secret } })];
  });
  return all.length === 0 ? undefined : all;
}

/** Each ends, whether somebody answers or not: nothing hangs for ever on a database. */
export function waitContainers({ image, target }: Rendering, app: AppDocument): readonly Tree[] {
  return Object.entries(app.spec.dependencies).flatMap(([name, { host, port, wait }]) => {
    if (wait === undefined) return [];
    const path = [...pathOf(name), "wait"];
    const written = host.includes(":") ? `[${host}]` : host;
    const args = ["wait", `${written}:${port}`, "--timeout", formatDuration(wait), "--go-on"];
    return [
      from(app, path, {
        name: `wait-${name}`.slice(0, 63).replace(/-+$/, ""),
        image,
        args,
        resources: resourcesOf(app, path, undefined, WAIT_RESOURCES),
        securityContext: sidecarSecurity(target),
      }),
    ];
  });
}
