/** Clusters: how tries reach the app itself, a declared call, or another App. */
import { findApp } from "../api/app_index.ts";
import type { AppDocument, AnyDocument } from "../api/document.ts";
import type { CallSpec } from "../api/app.ts";
import { parseAppReference } from "../api/names.ts";
import { workloadKey } from "../api/site.ts";
import type {
  AdaptivePolicy,
  BreakerPolicy,
  ClusterBinding,
  ClusterPolicy,
  EndpointBinding,
  HostPort,
  LimitsPolicy,
} from "../api/snapshot.ts";
import type { Breaker } from "../api/traffic.ts";
import type { Path } from "../schema/node.ts";
import { nearest } from "../schema/spelling.ts";
import { BALANCE_MEMBERS, balancePolicy } from "./balance.ts";
import { CLUSTER_IDLE_TIMEOUT_MS, DNS_REFRESH, PLAIN_CALL } from "./defaults.ts";
import type { Draft } from "./draft.ts";
import { HEALTH_MEMBERS, healthPolicies } from "./health.ts";
import { clusterTls, noteClusterTls, tlsFiles } from "./cluster_tls.ts";
import type { Context } from "./source.ts";

/** The process beside the sidecar. */
export const APP_CLUSTER = "app";

export function addAppCluster(draft: Draft, app: AppDocument, address: HostPort): void {
  const { limits, responseValidation } = app.spec;
  const policy = clusterPolicy("app", { ...PLAIN_CALL, limits, responseValidation });
  draft.addCluster(APP_CLUSTER, policy, clusterBinding([address]));
  draft.note(["policy", "clusters", APP_CLUSTER], app, ["spec", "port"]);
  draft.noteMembers(["policy", "clusters", APP_CLUSTER], app, ["spec"], APP_MEMBERS);
}

/** Adds the cluster of a declared call; false where it cannot be made, with a problem. */
export function addCallCluster(
  draft: Draft,
  context: Context,
  app: AppDocument,
  name: string,
): boolean {
  const call = app.spec.calls[name] as CallSpec;
  const path = ["spec", "calls", name];
  if (name === APP_CLUSTER) {
    context.report(app, path, {
      message: `calls.${name}: this name is taken by the App's own process`,
      advice: `call it otherwise: calls: { backend: { app: ${call.app ?? name} } }`,
    });
    return false;
  }
  const endpoints = endpointsOfCall(context, app, name);
  if (endpoints === null) return false;
  const policy = clusterPolicy("call", call);
  const binding = clusterBinding(endpoints);
  if (call.tls === undefined) draft.addCluster(name, policy, binding);
  else {
    const tls = clusterTls(call.tls, call.host ?? calledName(app, call.app ?? name));
    const local = context.siteOf(workloadKey(app))?.local;
    const folder = local?.filesFolder ?? local?.appFolder ?? "";
    draft.addCluster(name, { ...policy, tls }, { ...binding, tls: tlsFiles(call.tls, folder) });
    noteClusterTls(draft, app, name);
  }
  noteCallCluster(draft, app, name);
  return true;
}

/** Adds the plainest cluster for another App, unless it is there; false with a problem. */
export function addPlainCluster(
  draft: Draft,
  context: Context,
  name: string,
  target: { readonly key: string; readonly document: AnyDocument; readonly path: Path },
): void {
  if (draft.hasCluster(name)) return;
  refuseTls(context, target.key, target.document, target.path);
  const endpoints = context.siteOf(target.key)?.endpoints ?? [];
  draft.addCluster(name, clusterPolicy("call", PLAIN_CALL), clusterBinding(endpoints));
  const origin = target.document.origin(target.path);
  draft.notePart(["policy", "clusters", name], origin);
  draft.notePart(["bindings", "clusters", name], origin);
}

/** Where a call leads, whatever is in between; null with a problem. */
export function endpointsOfCall(
  context: Context,
  app: AppDocument,
  name: string,
): readonly EndpointBinding[] | null {
  const call = app.spec.calls[name] as CallSpec;
  if (call.endpoints !== undefined) return call.endpoints;
  if (call.host !== undefined && call.port !== undefined) {
    return [{ host: call.host, port: call.port }];
  }
  const reference = call.app ?? name;
  const key = context.findApp(reference, app.namespace);
  if (key !== null) {
    if (call.tls === undefined) refuseTls(context, key, app, ["spec", "calls", name]);
    else requireTls(context, key, app, ["spec", "calls", name, "tls"]);
    return context.siteOf(key)?.endpoints ?? [];
  }
  const known = context.documents.apps.map((one) => one.name);
  const meant = nearest(reference, known);
  context.report(app, ["spec", "calls", name, ...(call.app === undefined ? [] : ["app"])], {
    found: `"${reference}"`,
    message: `calls.${name}: there is no App "${reference}"`,
    advice: meant === null ? "give its file too, or add host and port" : `did you mean "${meant}"?`,
  });
  return null;
}

/** An App whose port speaks TLS would not understand a sidecar that comes without. */
function refuseTls(context: Context, key: string, document: AnyDocument, path: Path): void {
  const target = findApp(context.documents.apps, key);
  if (target?.spec.tls === undefined) return;
  const { file, line } = target.origin(["spec", "tls"]);
  const isCall = path[1] === "calls";
  const who = isCall ? "this call goes" : "sidecars and the gateway call";
  context.report(document, path, {
    found: key,
    message: `${key} ends TLS at its port (${file}:${line}), and ${who} without`,
    advice: isCall
      ? "add tls to this call: tls: { ca: the file of who signs its certificate }"
      : "remove its tls and let the Mesh's gateway end TLS, or declare a call with tls",
  });
}

/** The other way round: a sidecar would wait for a handshake that never comes. */
function requireTls(context: Context, key: string, document: AnyDocument, path: Path): void {
  const target = findApp(context.documents.apps, key);
  if (target === undefined || target.spec.tls !== undefined) return;
  context.report(document, path, {
    found: key,
    message: `tls to ${key}, which does not speak TLS at its port`,
    advice: `remove this tls, or give ${key} certificates: tls: { certificates: [...] }`,
  });
}

/** `api` of `shop/api`. */
function calledName({ namespace }: AppDocument, reference: string): string {
  return parseAppReference(reference, namespace).name;
}

function clusterPolicy(kind: "app" | "call", call: CallSpec): ClusterPolicy {
  return {
    kind,
    balance: balancePolicy(call),
    connectTimeoutMs: call.connectTimeout,
    idleTimeoutMs: CLUSTER_IDLE_TIMEOUT_MS,
    limits: limitsPolicy(call.limits),
    breaker: call.breaker === undefined ? null : breakerPolicy(call.breaker),
    ...healthPolicies(call),
    ...(call.responseValidation === "tolerant" ? { responseValidation: "tolerant" } : {}),
  };
}

function limitsPolicy(limits: CallSpec["limits"]): LimitsPolicy {
  const { maxConnections, maxPendingRequests, maxRequests, maxRetries, adaptive } = limits;
  return {
    maxConnections,
    maxPendingRequests,
    maxRequests,
    ...(maxRetries === undefined ? {} : { maxRetries }),
    ...(adaptive === undefined ? {} : { adaptive: adaptivePolicy(adaptive) }),
  };
}

function adaptivePolicy(adaptive: NonNullable<CallSpec["limits"]["adaptive"]>): AdaptivePolicy {
  return {
    min: adaptive.min,
    max: adaptive.max,
    percentile: adaptive.percentile,
    windowMs: adaptive.window,
    measureEveryMs: adaptive.measureEvery,
    jitterRatio: adaptive.jitter,
    measureSamples: adaptive.measureRequests,
    tolerance: adaptive.tolerance,
  };
}

function breakerPolicy(breaker: Breaker): BreakerPolicy {
  return {
    errorRate: breaker.errorRate,
    ...(breaker.slowCallDuration === undefined
      ? {}
      : { slowCallMs: breaker.slowCallDuration, slowCallRate: breaker.slowCallRate }),
    minRequests: breaker.minRequests,
    windowMs: breaker.window,
    openMs: breaker.openFor,
    halfOpenRequests: breaker.halfOpenRequests,
  };
}

/** Names are asked of DNS; where each is an address there is nothing to ask. */
function clusterBinding(endpoints: readonly EndpointBinding[]): ClusterBinding {
  return {
    discovery: endpoints.every(({ host }) => isAddress(host)) ? "static" : "strict-dns",
    endpoints: endpoints.map((endpoint) => ({ ...endpoint })),
    refresh: DNS_REFRESH,
  };
}

/** No name has a colon, and no name ends in a label of digits alone (RFC 3696, 2). */
function isAddress(host: string): boolean {
  return host.includes(":") || /^\d{1,3}(?:\.\d{1,3}){3}$/.test(host);
}

const LIMITS_MEMBERS = [
  ["limits", "limits"],
  ["limits.maxConnections", "limits.maxConnections"],
  ["limits.maxPendingRequests", "limits.maxPendingRequests"],
  ["limits.maxRequests", "limits.maxRequests"],
  ["limits.maxRetries", "limits.maxRetries"],
  ["limits.adaptive", "limits.adaptive"],
  ["limits.adaptive.min", "limits.adaptive.min"],
  ["limits.adaptive.max", "limits.adaptive.max"],
  ["limits.adaptive.percentile", "limits.adaptive.percentile"],
  ["limits.adaptive.windowMs", "limits.adaptive.window"],
  ["limits.adaptive.measureEveryMs", "limits.adaptive.measureEvery"],
  ["limits.adaptive.jitterRatio", "limits.adaptive.jitter"],
  ["limits.adaptive.measureSamples", "limits.adaptive.measureRequests"],
  ["limits.adaptive.tolerance", "limits.adaptive.tolerance"],
] as const;

const VALIDATION = ["responseValidation", "responseValidation"] as const;

const APP_MEMBERS = [...LIMITS_MEMBERS, VALIDATION] as const;

const CLUSTER_MEMBERS = [
  VALIDATION,
  ...BALANCE_MEMBERS,
  ...HEALTH_MEMBERS,
  ...LIMITS_MEMBERS,
  ["connectTimeoutMs", "connectTimeout"],
  ["breaker", "breaker"],
  ["breaker.errorRate", "breaker.errorRate"],
  ["breaker.slowCallMs", "breaker.slowCallDuration"],
  ["breaker.slowCallRate", "breaker.slowCallRate"],
  ["breaker.minRequests", "breaker.minRequests"],
  ["breaker.windowMs", "breaker.window"],
  ["breaker.openMs", "breaker.openFor"],
  ["breaker.halfOpenRequests", "breaker.halfOpenRequests"],
] as const;

function noteCallCluster(draft: Draft, app: AppDocument, name: string): void {
  const path = ["spec", "calls", name];
  const at = ["policy", "clusters", name];
  draft.note(at, app, path);
  draft.noteMembers(at, app, path, CLUSTER_MEMBERS);
  const binding = ["bindings", "clusters", name];
  draft.note(binding, app, path);
  const { host, endpoints } = app.spec.calls[name] as CallSpec;
  if (endpoints !== undefined) draft.note([...binding, "endpoints"], app, [...path, "endpoints"]);
  if (host === undefined) return;
  draft.note([...binding, "endpoints", 0, "host"], app, [...path, "host"]);
  draft.note([...binding, "endpoints", 0, "port"], app, [...path, "port"]);
}
