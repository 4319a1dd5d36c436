import type { BalancePolicyName } from "../../../api/snapshot.ts";
import type { BalancerComponent } from "./balancer.ts";
import { leastRequest } from "./least_request.ts";
import { maglev } from "./maglev.ts";
import { peakEwma } from "./peak_ewma.ts";
import { random } from "./random.ts";
import { ringHash } from "./ring_hash.ts";
import { roundRobin } from "./round_robin.ts";

/** Every balancer there is. */
export const BALANCERS: Readonly<Record<BalancePolicyName, BalancerComponent>> = {
  "round-robin": roundRobin,
  "least-request": leastRequest,
  "peak-ewma": peakEwma,
  random,
  "ring-hash": ringHash,
  maglev,
};
