import type { CharSet, RegexNode } from "./regex_syntax.ts";
import { overlaps, unionOf } from "./regex_syntax.ts";

/**
 * What a backtracking engine does at most with a text of n characters: `steps * n ^ degree`, where a
 * step is one node of the pattern tried at one place.
 */
export interface RegexCost {
  readonly steps: number;
  readonly degree: number;
}

/** Above it a pattern is called too dear. */
const MAX_WAYS = 10_000;
const MAX_DEGREE = 4;

/**
 * The bound, or null where none was found: then the pattern may cost exponential time.
 *
 * At a place where a repetition may go on or end, or one of several options is taken, all but one
 * of the ways die at once if no character begins two of them: that place costs no more than its
 * nodes, once for each level of nesting. Where a character begins two, each way may run on: the
 * ways of a repetition are as many as it has rounds, and ways multiply along the pattern. A path
 * along one way is at most n characters long, so steps <= nodes * depth * n * ways, times n again
 * where the pattern may begin anywhere.
 * Ways inside an unbounded repetition would multiply in each round: no bound.
 */
export function regexCost(pattern: RegexNode): RegexCost | null {
  const total = ways(pattern, NOTHING);
  if (total === null) return null;
  const steps = 2 * countNodes(pattern) * depthOf(pattern) * total.factor;
  if (isAnchored(pattern)) return { steps, degree: total.degree + 1 };
  // Unanchored, each try begins anew: cheap where a try that fails is short.
  const long = longestFailure(pattern);
  if (long <= MAX_FAILURE) return { steps: steps * (long + 1), degree: total.degree + 1 };
  return { steps, degree: total.degree + 2 };
}

/** Characters that a try may read before it fails, to be cheap at each place of a text. */
const MAX_FAILURE = 128;

interface Ways {
  readonly factor: number;
  readonly degree: number;
}

const ONE_WAY: Ways = { factor: 1, degree: 0 };
const NOTHING: CharSet = [];

function times(a: Ways, b: Ways): Ways | null {
  const product = { factor: a.factor * b.factor, degree: a.degree + b.degree };
  return product.factor > MAX_WAYS || product.degree > MAX_DEGREE ? null : product;
}

/** `follow`: the characters that may come behind the node. */
function ways(node: RegexNode, follow: CharSet): Ways | null {
  switch (node.kind) {
    case "set":
    case "assert":
      return ONE_WAY;
    case "group":
      return ways(node.item, follow);
    case "sequence":
      return waysOfSequence(node.items, follow);
    case "choice":
      return waysOfChoice(node.options, follow);
    case "repeat":
      return waysOfRepeat(node, follow);
  }
}

function waysOfSequence(items: readonly RegexNode[], follow: CharSet): Ways | null {
  let total: Ways | null = ONE_WAY;
  let behind = follow;
  for (const item of items.toReversed()) {
    const own = ways(item, behind);
    total = own === null || total === null ? null : times(total, own);
    if (total === null) return null;
    behind = firstOf(item, behind);
  }
  return total;
}

function waysOfChoice(options: readonly RegexNode[], follow: CharSet): Ways | null {
  let seen: CharSet = NOTHING;
  let isClear = true;
  let factor = 0;
  let most = 1;
  let degree = 0;
  for (const option of options) {
    const own = ways(option, follow);
    if (own === null) return null;
    const first = firstOf(option, follow);
    // Two options that take nothing are two ways on, even with nothing to read.
    if (overlaps(seen, first)) isClear = false;
    seen = unionOf(seen, first);
    factor += own.factor;
    most = Math.max(most, own.factor);
    degree = Math.max(degree, own.degree);
  }
  if (options.filter(isNullable).length > 1) isClear = false;
  const result = { factor: isClear ? most : factor, degree };
  return result.factor > MAX_WAYS ? null : result;
}

function waysOfRepeat(node: Extract<RegexNode, { kind: "repeat" }>, follow: CharSet): Ways | null {
  const { item, min, max } = node;
  if (max === 0) return ONE_WAY;
  // Rounds that take nothing: engines differ in what they make of them.
  if (isNullable(item)) return null;
  const again = max === 1 ? follow : unionOf(firstOf(item, NOTHING), follow);
  const inner = ways(item, again);
  if (inner === null) return null;
  const isInnerOne = inner.factor === 1 && inner.degree === 0;
  // Fixed rounds have no choice of when to end.
  const isClear = min === max || !overlaps(firstOf(item, NOTHING), follow);
  if (max === Infinity) {
    if (!isInnerOne) return null;
    return isClear ? ONE_WAY : { factor: 2, degree: 1 };
  }
  let rounds: Ways | null = isClear ? ONE_WAY : { factor: max - min + 1, degree: 0 };
  if (isInnerOne) return rounds;
  for (let round = 0; round < max && rounds !== null; round++) rounds = times(rounds, inner);
  return rounds;
}

/** Characters with which the node, or what is behind it where it may be empty, can begin. */
function firstOf(node: RegexNode, follow: CharSet): CharSet {
  switch (node.kind) {
    case "set":
      return node.set;
    case "assert":
      // Behind the end of the text nothing can be read.
      return node.what === "end" ? NOTHING : follow;
    case "group":
      return firstOf(node.item, follow);
    case "choice":
      return unionOf(...node.options.map((option) => firstOf(option, follow)));
    case "sequence":
      return node.items.reduceRight((behind, item) => firstOf(item, behind), follow);
    case "repeat": {
      if (node.max === 0) return follow;
      const own = firstOf(node.item, follow);
      return node.min === 0 ? unionOf(own, follow) : own;
    }
  }
}

function isNullable(node: RegexNode): boolean {
  switch (node.kind) {
    case "set":
      return false;
    case "assert":
      return true;
    case "group":
      return isNullable(node.item);
    case "choice":
      return node.options.some(isNullable);
    case "sequence":
      return node.items.every(isNullable);
    case "repeat":
      return node.min === 0 || isNullable(node.item);
  }
}

/** It can match at the first character of the text only. */
function isAnchored(node: RegexNode): boolean {
  switch (node.kind) {
    case "assert":
      return node.what === "start";
    case "group":
      return isAnchored(node.item);
    case "choice":
      return node.options.every(isAnchored);
    case "sequence":
      return node.items.length > 0 && isAnchored(node.items[0]!);
    case "repeat":
      return node.min > 0 && isAnchored(node.item);
    case "set":
      return false;
  }
}

/** Characters that a try at one place reads at most before it fails; Infinity without a bound. */
function longestFailure(pattern: RegexNode): number {
  const items = pattern.kind === "sequence" ? pattern.items : [pattern];
  const last = items.at(-1);
  const before = items.slice(0, -1).reduce((sum, item) => sum + longest(item), 0);
  return last === undefined ? 0 : before + longestOfLast(last);
}

/** At the end of a pattern a repetition that has its minimum can no longer fail. */
function longestOfLast(node: RegexNode): number {
  if (node.kind === "group") return longestOfLast(node.item);
  if (node.kind === "sequence") return longestFailure(node);
  if (node.kind === "repeat") return longest(node.item) * Math.max(1, node.min);
  return longest(node);
}

function longest(node: RegexNode): number {
  switch (node.kind) {
    case "set":
      return 1;
    case "assert":
      return 0;
    case "group":
      return longest(node.item);
    case "choice":
      return Math.max(...node.options.map(longest));
    case "sequence":
      return node.items.reduce((sum, item) => sum + longest(item), 0);
    case "repeat":
      return node.max === 0 ? 0 : node.max * longest(node.item);
  }
}

/** A repetition counts as often as it must at least: the engine tries each copy. */
function countNodes(node: RegexNode): number {
  switch (node.kind) {
    case "set":
    case "assert":
      return 1;
    case "group":
      return 1 + countNodes(node.item);
    case "choice":
      return node.options.reduce((sum, option) => sum + countNodes(option), 1);
    case "sequence":
      return node.items.reduce((sum, item) => sum + countNodes(item), 1);
    case "repeat":
      return 2 + countNodes(node.item);
  }
}

function depthOf(node: RegexNode): number {
  switch (node.kind) {
    case "set":
    case "assert":
      return 1;
    case "group":
      return depthOf(node.item);
    case "repeat":
      return 1 + depthOf(node.item);
    case "choice":
      return 1 + Math.max(...node.options.map(depthOf));
    case "sequence":
      return Math.max(1, ...node.items.map(depthOf));
  }
}
