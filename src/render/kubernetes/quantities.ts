/** Kubernetes' way to write amounts. */
import type { AppDocument } from "../../api/document.ts";
import type { Path } from "../../schema/node.ts";
import { formatCpu, formatSize } from "../../schema/units.ts";
import { because, from, type Sourced, type Tree } from "./sourced.ts";

/** `256Mi`; bytes as they are where no unit fits. */
export function bytesQuantity(bytes: number): string {
  return formatSize(bytes).replace(/B$/, "");
}

export const cpuQuantity = formatCpu;

/** A figure that need not be whole: thousandths where it is not. */
export function figureQuantity(figure: number): string {
  return Number.isInteger(figure) ? String(figure) : `${Math.round(figure * 1000)}m`;
}

interface Wanted {
  readonly cpu?: number | undefined;
  readonly memory?: number | undefined;
}

export interface Defaults {
  readonly cpu: number;
  readonly memory: number;
  readonly memoryLimit: number;
  readonly why: string;
}

/**
 * Requests, and a limit for memory. None for CPU: it would stop a program that could go on, and what
 * others reserved is theirs anyway.
 *
 * @param pathOf the field that says it
 */
export function resourcesOf(
  app: AppDocument | null,
  pathOf: Path | ((field: "cpu" | "memory") => Path),
  wanted: Wanted | undefined,
  defaults: Defaults,
): Tree {
  type Show = (amount: number) => string;
  const value = (field: "cpu" | "memory", written: number | undefined, text: Show, other: number) => {
    if (written === undefined || app === null) return because(defaults.why, text(other));
    const path = typeof pathOf === "function" ? pathOf(field) : [...pathOf, field];
    return from(app, path, text(written));
  };
  const memory = (other: number): Sourced => value("memory", wanted?.memory, bytesQuantity, other);
  return {
    requests: {
      cpu: value("cpu", wanted?.cpu, cpuQuantity, defaults.cpu),
      memory: memory(defaults.memory),
    },
    limits: { memory: memory(defaults.memoryLimit) },
  };
}

const MIB = 1024 * 1024;

/** Measured: idle 47 MB, under full load of 1,000 connections 66 to 76. */
export const SIDECAR_RESOURCES: Defaults = {
  cpu: 25,
  memory: 64 * MIB,
  memoryLimit: 128 * MIB,
  why: "measured: 47 MB idle, 76 at full load; 25m carries some 1,000 requests a second",
};

/** What waits for others runs alone, before the rest. */
export const WAIT_RESOURCES: Defaults = {
  cpu: 10,
  memory: 64 * MIB,
  memoryLimit: 128 * MIB,
  why: "it only asks, once in half a second; the pod's other containers reserve more",
};

export const APP_RESOURCES: Defaults = {
  cpu: 100,
  memory: 128 * MIB,
  memoryLimit: 512 * MIB,
  why: "a guess for an app that says nothing: write resources",
};
