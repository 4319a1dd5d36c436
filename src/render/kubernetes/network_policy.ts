/** Who may talk with whom: what the files declare, and nothing else. */
import type { AppDocument } from "../../api/document.ts";
import { workloadKey } from "../../api/site.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { parseAddress } from "../../base/ip_address.ts";
import { GATEWAY_NAME } from "../../compile/gateway.ts";
import { type BoundPeer, isLoopback } from "./bound_peers.ts";
import { dependencyEgress, oneAddress } from "./dependencies.ts";
import { ADMIN_PORT, GATEWAY_PORT, INBOUND_PORT, NAMESPACE_LABEL } from "./names.ts";
import { type KubeObject, kubeObject } from "./object.ts";
import { everyPodOf, ownerOf } from "./pod_groups.ts";
import { labelsOf, type Rendering, selectorOf } from "./rendering.ts";
import { because, from, Sourced, type Tree } from "./sourced.ts";
import type { Target } from "./target.ts";
import { calledApp, guestsOf, waysOf } from "./ways.ts";

const POLICY = ["networking.k8s.io/v1", "NetworkPolicy"] as const;

/** Nothing in, nothing out, for every pod of a namespace of ours: policies below open what is declared. */
export function defaultDeny(namespace: string, app: AppDocument): KubeObject {
  const metadata = { namespace, name: "default-deny", labels: labelsOf({ name: "default-deny", labels: {} }) };
  return kubeObject(POLICY, metadata, app.origin(["metadata", "name"]), {
    spec: {
      podSelector: because("every pod, also one that nobody declared", {}),
      policyTypes: ["Ingress", "Egress"],
    },
  });
}

/** What an App's pods may hear and say. */
export function networkPolicy(rendering: Rendering, app: AppDocument): KubeObject {
  const { target } = rendering;
  const metadata = { namespace: app.namespace, name: app.name, labels: labelsOf(app) };
  return kubeObject(POLICY, metadata, app.origin(["metadata", "name"]), {
    spec: {
      podSelector: { matchLabels: selectorOf(app.name) },
      policyTypes: ["Ingress", "Egress"],
      ingress: [
        ...callersOf(rendering, app),
        ...boundCallers(rendering, app),
        ...bypassed(rendering, app),
        ...amongOwn(app, "from"),
        ...(app.spec.sidecar.enabled ? [scrape(target)] : []),
      ],
      egress: [
        dns(target),
        ...callees(rendering, app),
        ...boundEgress(rendering, app),
        ...dependencyEgress(app),
        ...bypassing(rendering, app),
        ...amongOwn(app, "to"),
      ],
    },
  });
}

export function gatewayPolicy(rendering: Rendering): KubeObject | null {
  const { gateway, gatewayDocument, target, documents } = rendering;
  if (gateway === null || gatewayDocument === null) return null;
  const { namespace } = gateway.workload;
  const metadata = { namespace, name: GATEWAY_NAME, labels: labelsOf({ name: GATEWAY_NAME, labels: {} }) };
  const reached = documents.apps.filter((app) => isReached(gateway, app));
  return kubeObject(POLICY, metadata, gatewayDocument.origin(["spec"]), {
    spec: {
      podSelector: { matchLabels: selectorOf(GATEWAY_NAME) },
      policyTypes: ["Ingress", "Egress"],
      ingress: [
        { ports: because("the door is for everybody", [port(GATEWAY_PORT)]) },
        scrape(target),
      ],
      egress: [dns(target), ...reached.map((app) => ({ to: [pods(app)], ports: [port(reachedPort(app))] }))],
    },
  });
}

/** The sidecar's port only: nobody comes past it. */
function reachedPort({ spec }: AppDocument): number {
  return spec.sidecar.enabled ? INBOUND_PORT : spec.port!;
}

function isReached(gateway: Snapshot, app: AppDocument): boolean {
  const { name } = gateway.workload;
  const short = app.namespace === gateway.workload.namespace ? app.name : workloadKey(app);
  return name !== app.name && (short in gateway.policy.clusters || workloadKey(app) in gateway.policy.clusters);
}

function callersOf(rendering: Rendering, app: AppDocument): readonly Tree[] {
  const { gateway } = rendering;
  if (app.spec.port === undefined) return [];
  const ports = [port(reachedPort(app))];
  const rules: Tree[] = [];
  for (const { caller, call } of waysOf(rendering).callers.get(workloadKey(app)) ?? []) {
    rules.push(from(caller, ["spec", "calls", call], { from: [everyPod(caller)], ports }));
  }
  if (gateway !== null && isReached(gateway, app)) {
    const labels = { podSelector: { matchLabels: selectorOf(GATEWAY_NAME) } };
    rules.push({ from: [{ ...inNamespace(gateway.workload.namespace), ...labels }], ports });
  }
  return rules;
}

function callees(rendering: Rendering, app: AppDocument): readonly Tree[] {
  return Object.entries(app.spec.calls).flatMap(([name, call]) => {
    const path = ["spec", "calls", name];
    if (call.host !== undefined) {
      const rule = { to: blocks(call.host), ports: [port(call.port ?? 80)] };
      return [from(app, path, rule)];
    }
    if (call.endpoints !== undefined) {
      return [
        from(app, path, {
          to: call.endpoints.map(({ host }) => ({ ipBlock: { cidr: oneAddress(host) } })),
          ports: [...new Set(call.endpoints.map((one) => one.port))].map(port),
        }),
      ];
    }
    const callee = waysOf(rendering).apps.get(calledApp(app, name) ?? "");
    if (callee?.spec.port === undefined) return [];
    return [from(app, path, { to: [pods(callee)], ports: [port(reachedPort(callee))] })];
  });
}

// ---------------------------------------------------------------- what sidecars talk with

function boundEgress(rendering: Rendering, app: AppDocument): readonly Tree[] {
  const peers = waysOf(rendering).peers.get(workloadKey(ownerOf(app))) ?? [];
  return peers.flatMap((peer) => {
    if (isLoopback(peer.host)) return [];
    const known = peer.app;
    const rule =
      known === null
        ? { to: blocks(peer.host), ports: [port(peer.port)] }
        : { to: [pods(known)], ports: [port(reachedPort(known))] };
    return [sourcedPeer(peer, rule)];
  });
}

function boundCallers(rendering: Rendering, app: AppDocument): readonly Tree[] {
  if (app.spec.port === undefined) return [];
  const ports = [port(reachedPort(app))];
  const callers = waysOf(rendering).boundCallers.get(workloadKey(app)) ?? [];
  return callers.map(({ caller, peer }) => sourcedPeer(peer, { from: [everyPod(caller)], ports }));
}

function sourcedPeer({ origin }: BoundPeer, rule: Tree): Tree {
  if (origin === null) return because("the command line says where it is", rule);
  return new Sourced(rule, { kind: "file", origin });
}

/** Policies know addresses only: a name may be anywhere. */
function blocks(host: string): readonly Tree[] {
  const all = parseAddress(host) === null ? ["0.0.0.0/0", "::/0"] : [oneAddress(host)];
  return all.map((cidr) => ({ ipBlock: { cidr } }));
}

// ---------------------------------------------------------------- past the sidecar

/**
 * Rules of the App's own policy, not a policy each: so what is no longer declared is gone with the
 * next apply, also where nobody prunes objects.
 */
function bypassed(rendering: Rendering, app: AppDocument): readonly Tree[] {
  const { apps } = waysOf(rendering);
  return app.spec.bypass.map((one, index) => {
    const guests = guestsOf(ownerOf(app), one).flatMap((key) => apps.get(key) ?? []);
    return from(app, ["spec", "bypass", index], {
      from: guests.map(everyPod),
      ports: [port(one.port)],
    });
  });
}

/** The other end of others' bypassed ports. */
function bypassing(rendering: Rendering, caller: AppDocument): readonly Tree[] {
  const ways = waysOf(rendering).bypassing.get(workloadKey(ownerOf(caller))) ?? [];
  return ways.map(({ app, index }) => {
    const one = app.spec.bypass[index]!;
    return from(app, ["spec", "bypass", index], { to: [everyPod(app)], ports: [port(one.port)] });
  });
}

function pods(app: AppDocument): Tree {
  return { ...inNamespace(app.namespace), podSelector: { matchLabels: selectorOf(app.name) } };
}

/** With those of its groups: all of them make the App's calls. */
function everyPod(app: AppDocument): Tree {
  return { ...inNamespace(app.namespace), podSelector: everyPodOf(app) };
}

/** Leader and workers reach each other on the App's port. */
function amongOwn(app: AppDocument, way: "from" | "to"): readonly Tree[] {
  const owner = ownerOf(app);
  if (Object.keys(owner.spec.pods).length === 0 || owner.spec.port === undefined) return [];
  const rule = { [way]: [everyPod(owner)], ports: [port(reachedPort(owner))] };
  return [from(owner, ["spec", "pods"], rule)];
}

function inNamespace(namespace: string): { readonly namespaceSelector: Tree } {
  return { namespaceSelector: { matchLabels: { [NAMESPACE_LABEL]: namespace } } };
}

function port(number: number): Tree {
  return { port: number, protocol: "TCP" };
}

function scrape({ monitoringNamespace }: Target): Tree {
  return because("whoever collects metrics", {
    from: [inNamespace(monitoringNamespace)],
    ports: [port(ADMIN_PORT)],
  });
}

/** The only UDP there is. */
function dns({ dns: { namespace, labels, port: number } }: Target): Tree {
  return because("names; no other UDP leaves a pod", {
    to: [{ ...inNamespace(namespace), podSelector: { matchLabels: { ...labels } } }],
    ports: [
      { port: number, protocol: "UDP" },
      { port: number, protocol: "TCP" },
    ],
  });
}
