/** Words longer than this are not compared: the cost is the product of both lengths. */
const MAX_WORD = 64;

/**
 * Edits (insert, remove, replace, swap of neighbours) from one word to another: optimal string
 * alignment, Damerau 1964 in its restricted form.
 */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, beforeLast[j - 2]! + 1);
      }
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}

/** The known word that was probably meant, or null: about one edit in three letters is forgiven. */
export function nearest(word: string, known: Iterable<string>): string | null {
  if (word.length === 0 || word.length > MAX_WORD) return null;
  const folded = word.toLowerCase().replaceAll(/[-_]/g, "");
  let best: string | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    if (candidate.length > MAX_WORD) continue;
    const other = candidate.toLowerCase().replaceAll(/[-_]/g, "");
    const allowed = Math.max(1, Math.floor(Math.max(folded.length, other.length) / 3));
    if (Math.abs(folded.length - other.length) > allowed) continue;
    const distance = editDistance(folded, other);
    if (distance <= allowed && distance < bestDistance && distance < other.length) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `did you mean "timeout"?`, else `known are a, b, c` (shortened). */
export function adviceFor(word: string, known: readonly string[]): string {
  const meant = nearest(word, known);
  if (meant !== null) return `did you mean "${meant}"?`;
  if (known.length === 0) return "none are known";
  const shown = known.slice(0, 12).join(", ");
  return `known are ${shown}${known.length > 12 ? ", ..." : ""}`;
}
