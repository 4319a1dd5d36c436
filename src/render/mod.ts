import type { Generator } from "./generator.ts";
import { prometheusConfig } from "./prometheus_config.ts";
import { prometheusRules } from "./prometheus_rules.ts";
import { prometheusTests } from "./prometheus_tests.ts";

/** Every generator, by the order in which they are listed to people. */
export const GENERATORS: readonly Generator[] = [
  prometheusRules,
  prometheusTests,
  prometheusConfig,
];
