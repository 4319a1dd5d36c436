import { createHmac, timingSafeEqual } from "node:crypto";

/** NAME.EXPIRES.MAC: until when it is good stands in it, in milliseconds since 1970. */
export function makeToken(user: string, expiresMs: number, secret: string): string {
  return `${user}.${expiresMs}.${macOf(user, expiresMs, secret)}`;
}

/** The user's name, or null where the token is not good. */
export function readToken(token: string, secret: string, nowMs: number): string | null {
  const [user = "", expires = "", mac = ""] = token.split(".");
  if (!/^[a-z][a-z0-9-]*$/.test(user) || !/^\d+$/.test(expires)) return null;
  const [expected, given] = [macOf(user, Number(expires), secret), mac].map((one) => Buffer.from(one));
  if (expected!.length !== given!.length || !timingSafeEqual(expected!, given!)) return null;
  return nowMs < Number(expires) ? user : null;
}

function macOf(user: string, expiresMs: number, secret: string): string {
  return createHmac("sha256", secret).update(`${user}.${expiresMs}`).digest("hex");
}
