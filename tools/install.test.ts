import { expect, test } from "bun:test";
import { archivesOf, cacheFolder, InstallError, part } from "./install.ts";

test("a simulated install names the archives that apt will fetch", () => {
  const plan = [
    "Inst liblua5.3-0 (5.3.6-2 Debian:12.9/stable [amd64])",
    "Inst openssl [3.0.15-1] (3.0.16-1 Debian-Security:12/stable-security [amd64])",
    "Inst chromium:amd64 (1:2.3-1~deb12u1 Debian-Security:12/stable-security [amd64]) []",
    "Conf liblua5.3-0 (5.3.6-2 Debian:12.9/stable [amd64])",
  ].join("\n");
  expect(archivesOf(plan)).toEqual([
    "liblua5.3-0_5.3.6-2_amd64.deb",
    "openssl_3.0.16-1_amd64.deb",
    "chromium_1%3a2.3-1~deb12u1_amd64.deb",
  ]);
});

test("the cache is where the environment says", () => {
  const before = { ...process.env };
  try {
    process.env.XDG_CACHE_HOME = "/xdg";
    delete process.env.OUTRIGGER_CACHE;
    expect(cacheFolder()).toBe("/xdg/outrigger");
    process.env.OUTRIGGER_CACHE = "/own";
    expect(cacheFolder()).toBe("/own");
  } finally {
    process.env.XDG_CACHE_HOME = before.XDG_CACHE_HOME ?? "";
    process.env.OUTRIGGER_CACHE = before.OUTRIGGER_CACHE ?? "";
  }
});

test("an unknown part is refused with the names of all", async () => {
  const error = await part("netscape").catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InstallError);
  expect((error as Error).message).toContain('no part is called "netscape"; there are: haproxy');
});
