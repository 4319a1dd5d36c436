import { type Browser, chromium } from "playwright-core";
import { part } from "../../tools/install.ts";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A real Chromium with an empty profile, which goes when it is closed. @throws InstallError */
export async function openBrowser(): Promise<Browser> {
  const executablePath = await realPart("chromium");
  return chromium.launch({ executablePath, args: FLAGS, timeout: 60_000 });
}

/** Where a real program is: as the test run has said, else from the cache. @throws InstallError */
export async function realPart(name: string): Promise<string> {
  const given = process.env[`OUTRIGGER_${name.toUpperCase()}`];
  return given !== undefined && given !== "" ? given : (await part(name)).path;
}
