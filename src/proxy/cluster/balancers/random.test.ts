import { describe } from "bun:test";
import { balancerContract } from "./balancer_contract.ts";
import { random } from "./random.ts";

describe("random", () => balancerContract(random, { within: 0.1 }));
