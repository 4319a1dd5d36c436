/** Finds what must not be told: each returns the text with what it found replaced, or the text itself. */
export type Redactor = (text: string, replace: (found: string) => string) => string;

// ---------------------------------------------------------------- cards

const MIN_DIGITS = 13;
const MAX_DIGITS = 19;
/** Digits in groups, with single spaces or dashes between; matches do not overlap, so it is linear. */
const DIGIT_RUN = /\d(?:[ -]?\d)+/g;
const LIKELY = /\d(?:[ -]?\d){12}/;

interface DigitGroup {
  readonly start: number;
  readonly end: number;
}

/**
 * Numbers of payment cards (ISO/IEC 7812): 13 to 19 digits, alone or in groups, that begin with 2 to
 * 6 and pass Luhn's check. A number begins and ends with a group: the date in front of it is none of
 * it, and a part of a longer number is no card.
 */
export const redactCards: Redactor = (text, replace) => {
  if (!LIKELY.test(text)) return text;
  return text.replace(DIGIT_RUN, (run) =>
    run.length < MIN_DIGITS ? run : redactRun(run, replace),
  );
};

function redactRun(run: string, replace: (found: string) => string): string {
  const groups: DigitGroup[] = [];
  for (const { index, 0: digits } of run.matchAll(/\d+/g)) {
    groups.push({ start: index, end: index + digits.length });
  }
  let result = "";
  let from = 0;
  for (let i = 0; i < groups.length;) {
    const last = lastOfCard(run, groups, i);
    if (last < 0) {
      i += 1;
      continue;
    }
    const { start } = groups[i]!;
    const { end } = groups[last]!;
    result += run.slice(from, start) + replace(run.slice(start, end));
    from = end;
    i = last + 1;
  }
  return result + run.slice(from);
}

/** The last group of the longest card that begins with this group; -1 where none does. */
function lastOfCard(run: string, groups: readonly DigitGroup[], first: number): number {
  const leading = run[groups[first]!.start]!;
  if (leading < "2" || leading > "6") return -1;
  let count = 0;
  let found = -1;
  let digits = "";
  for (let i = first; i < groups.length; i++) {
    const { start, end } = groups[i]!;
    count += end - start;
    if (count > MAX_DIGITS) break;
    digits += run.slice(start, end);
    if (count >= MIN_DIGITS && passesLuhn(digits)) found = i;
  }
  return found;
}

export function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = digits.length - 1, doubled = false; i >= 0; i--, doubled = !doubled) {
    const digit = digits.charCodeAt(i) - 0x30;
    sum += doubled ? (digit > 4 ? digit * 2 - 9 : digit * 2) : digit;
  }
  return sum % 10 === 0;
}

// ---------------------------------------------------------------- e-mail addresses

const BEFORE_AT = /[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}$/;
const BEHIND_AT = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})(?:\.[A-Za-z0-9][A-Za-z0-9-]{0,62}){1,10}/;
/** A name of a host is no longer, and what is in front of the sign neither. */
const MAX_HOST = 255;
const MAX_LOCAL = 64;

/** local@host.domain (RFC 5321, without quoted names and address literals). */
export const redactEmails: Redactor = (text, replace) => {
  let at = text.indexOf("@");
  if (at < 0) return text;
  let result = "";
  let from = 0;
  for (; at >= 0; at = text.indexOf("@", at + 1)) {
    const local = BEFORE_AT.exec(text.slice(Math.max(from, at - MAX_LOCAL), at));
    const host = local === null ? null : BEHIND_AT.exec(text.slice(at + 1, at + 1 + MAX_HOST));
    if (local === null || host === null) continue;
    const start = at - local[0].length;
    const end = at + 1 + host[0].length;
    result += text.slice(from, start) + replace(text.slice(start, end));
    from = end;
  }
  return from === 0 ? text : result + text.slice(from);
};

// ---------------------------------------------------------------- tokens

/** Each character of a text is in one run at most, so what is done with a run is linear. */
const RUNS = /[A-Za-z0-9_.~+/=-]{16,}/g;
const KEYS =
  /^(?:(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}|xox[abeoprs]-[A-Za-z0-9-]{10,250}|[rsp]k_(?:live|test)_[A-Za-z0-9]{16,250}|AIza[A-Za-z0-9_-]{35})/;
/** What a key begins with; behind anything that is no letter or digit. */
const KEY_START = /(?:A[KSBCRI][A-Z][A-Z]|AIza|gh[pousr]_|github_pat_|xox[abeoprs]-|[rsp]k_[lt])/g;
const JWT = /^eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)*/;
/** RFC 6750 and RFC 7617; the word stays. */
const SCHEME = /\b(bearer|basic)( {1,4}|: {0,4})([A-Za-z0-9._~+/=-]{6,})/gi;

/** JSON Web Tokens (RFC 7519), keys with well-known beginnings, and credentials behind their scheme. */
export const redactTokens: Redactor = (text, replace) => {
  const told = text.replace(
    SCHEME,
    (_, scheme: string, space: string, secret: string) => scheme + space + replace(secret),
  );
  return told.replace(RUNS, (run) => redactKeys(redactJwt(run, replace), replace));
};

const SEGMENT = /[A-Za-z0-9_-]+/g;

/** A token begins in a segment that holds `eyJ`; where the first one does not, no later one does. */
function redactJwt(run: string, replace: (found: string) => string): string {
  if (!run.includes("eyJ")) return run;
  let result = "";
  let from = 0;
  for (const { index, 0: segment } of run.matchAll(SEGMENT)) {
    const at = index < from ? -1 : segment.indexOf("eyJ");
    if (at < 0) continue;
    const found = JWT.exec(run.slice(index + at));
    if (found === null) continue;
    result += run.slice(from, index + at) + replace(found[0]);
    from = index + at + found[0].length;
  }
  return from === 0 ? run : result + run.slice(from);
}

function redactKeys(run: string, replace: (found: string) => string): string {
  let result = "";
  let from = 0;
  for (const { index } of run.matchAll(KEY_START)) {
    if (index < from || /[A-Za-z0-9]/.test(run[index - 1] ?? "")) continue;
    // Every key is bounded, so this reads no more than that for each beginning.
    const found = KEYS.exec(run.slice(index, index + 300));
    if (found === null) continue;
    result += run.slice(from, index) + replace(found[0]);
    from = index + found[0].length;
  }
  return from === 0 ? run : result + run.slice(from);
}
