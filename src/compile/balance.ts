/** How a call's endpoints are chosen, as a Snapshot has it. */
import type { CallSpec } from "../api/app.ts";
import type { BalancePolicy, HashKey, LocalityPolicy } from "../api/snapshot.ts";
import { durationText, percentText } from "./words.ts";

export const PLAIN_BALANCE: BalancePolicy = { policy: "round-robin" };

export function balancePolicy({ balance, subset }: CallSpec): BalancePolicy {
  const labels = subset === undefined ? {} : { subset };
  if (typeof balance === "string") return { policy: balance, ...labels };
  const { policy, hashBy, slowStart, panicBelow, locality } = balance;
  return {
    policy,
    ...(hashBy === undefined ? {} : { hashBy: hashKey(hashBy) }),
    ...(slowStart === 0 ? {} : { slowStartMs: slowStart }),
    ...(panicBelow === 0 ? {} : { panicRatio: panicBelow }),
    ...(locality === undefined ? {} : { locality: localityPolicy(locality) }),
    ...labels,
  };
}

type Written = Exclude<CallSpec["balance"], string>;

function hashKey({ header, cookie }: NonNullable<Written["hashBy"]>): HashKey {
  if (header !== undefined) return { from: "header", name: header.toLowerCase() };
  if (cookie !== undefined) return { from: "cookie", name: cookie };
  return { from: "source", name: "" };
}

function localityPolicy(locality: NonNullable<Written["locality"]>): LocalityPolicy {
  const { zone, failover, spillBelow } = locality;
  return { zone, failover, spillRatio: spillBelow };
}

/** The Snapshot's members below a cluster, and the call's fields. */
export const BALANCE_MEMBERS = [
  ["balance", "balance"],
  ["balance.policy", "balance"],
  ["balance.policy", "balance.policy"],
  ["balance.hashBy", "balance.hashBy"],
  ["balance.slowStartMs", "balance.slowStart"],
  ["balance.panicRatio", "balance.panicBelow"],
  ["balance.locality", "balance.locality"],
  ["balance.locality.zone", "balance.locality.zone"],
  ["balance.locality.failover", "balance.locality.failover"],
  ["balance.locality.spillRatio", "balance.locality.spillBelow"],
  ["balance.subset", "subset"],
] as const;

/** `maglev by header x-user, slow start 30 s, zone eu-1 first` */
export function balanceText(balance: BalancePolicy): string {
  const { policy, hashBy, slowStartMs, panicRatio, locality, subset } = balance;
  const by = hashBy === undefined ? "" : ` by ${`${hashBy.from} ${hashBy.name}`.trim()}`;
  const parts = [`${policy}${by}`];
  if (slowStartMs !== undefined) parts.push(`slow start ${durationText(slowStartMs)}`);
  if (panicRatio !== undefined) parts.push(`all below ${percentText(panicRatio)} healthy`);
  if (locality !== undefined) {
    const zones = [locality.zone, ...locality.failover].join(", then ");
    parts.push(`zone ${zones} while ${percentText(locality.spillRatio)} of it are healthy`);
  }
  if (subset !== undefined) {
    const labels = Object.entries(subset).map(([name, value]) => `${name} ${value}`);
    parts.push(`only ${labels.join(", ")}`);
  }
  return parts.join(", ");
}
