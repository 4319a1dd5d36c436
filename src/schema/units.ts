/** Texts with units. All parsers return null for what is not in their notation. */

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

export const DURATION_PATTERN = /^(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d))+$/;

/** "250ms", "2s", "1m30s", "1h", "30d" to milliseconds; whole ones. */
export function parseDuration(text: string): number | null {
  if (!DURATION_PATTERN.test(text)) return null;
  let total = 0;
  for (const match of text.matchAll(/([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)/g)) {
    total += Number(match[1]) * DURATION_UNITS[match[2]!]!;
  }
  return Number.isFinite(total) ? Math.round(total) : null;
}

/** The shortest single-unit text: 90000 is "90s", 86400000 is "1d". */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  for (const unit of ["d", "h", "m", "s"]) {
    if (ms % DURATION_UNITS[unit]! === 0) return `${ms / DURATION_UNITS[unit]!}${unit}`;
  }
  return `${ms}ms`;
}

export const PERCENT_PATTERN = /^[0-9]+(?:\.[0-9]+)?%$/;

/** "99.9%" to 0.999: the decimal point is moved in the text, so no rounding error comes in. */
export function parsePercent(text: string): number | null {
  if (!PERCENT_PATTERN.test(text)) return null;
  const ratio = Number(`${text.slice(0, -1)}e-2`);
  return Number.isFinite(ratio) ? ratio : null;
}

/** 0.25 is "25%". */
export function formatPercent(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(12))}%`;
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  k: 1000,
  K: 1000,
  M: 1000 ** 2,
  G: 1000 ** 3,
  T: 1000 ** 4,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  Ti: 1024 ** 4,
};

export const SIZE_PATTERN = /^[0-9]+(?:\.[0-9]+)?(?:B|(?:[kKMGT]|[KMGT]i)B?)$/;

/** "256Mi", "1GiB" (powers of 1024), "64KB", "1G" (powers of 1000), "512B" to bytes. */
export function parseSize(text: string): number | null {
  if (!SIZE_PATTERN.test(text)) return null;
  const match = /^([0-9.]+)(B|[kKMGT]i?)/.exec(text)!;
  const bytes = Math.round(Number(match[1]) * SIZE_UNITS[match[2]!]!);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** 268435456 is "256Mi". */
export function formatSize(bytes: number): string {
  for (const unit of ["Ti", "Gi", "Mi", "Ki"]) {
    const factor = SIZE_UNITS[unit]!;
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return `${bytes}B`;
}

export const CPU_PATTERN = /^(?:[0-9]+m|[0-9]+(?:\.[0-9]{1,3})?)$/;

/** Kubernetes' notation, "250m", "0.5", "2", to thousandths of a core. */
export function parseCpu(text: string): number | null {
  if (!CPU_PATTERN.test(text)) return null;
  const milli = text.endsWith("m") ? Number(text.slice(0, -1)) : Math.round(Number(text) * 1000);
  return Number.isSafeInteger(milli) ? milli : null;
}

/** 250 is "250m", 2000 is "2". */
export function formatCpu(milliCores: number): string {
  return milliCores % 1000 === 0 ? String(milliCores / 1000) : `${milliCores}m`;
}
