import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { testCertificate } from "../src/base/contract/certificates.ts";
import { part } from "../tools/install.ts";
import { TLS_CIPHER, type TlsFiles } from "./proxies/proxy.ts";

/** A certificate that signs itself, for one run. */
export function tlsFiles(folder: string): TlsFiles {
  const { certificate, key } = testCertificate({
    commonName: "bench.test",
    names: ["DNS:bench.test", "IP:127.0.0.1"],
  });
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  return {
    certificate: write("bench.pem", certificate),
    key: write("bench.key", key),
    both: write("both.pem", certificate + key),
  };
}

/** @throws where a proxy agrees on another version or cipher than the others: then nothing compares. */
export async function checkCipher(name: string, port: number): Promise<void> {
  const { path } = await part("openssl");
  const flags = ["s_client", "-connect", `127.0.0.1:${port}`, "-servername", "bench.test"];
  const child = Bun.spawn([path, ...flags], { stdin: "ignore", stdout: "pipe", stderr: "ignore" });
  const output = await new Response(child.stdout).text();
  const agreed = /^New, (.*)$/m.exec(output)?.[1] ?? "nothing";
  if (agreed !== `TLSv1.3, Cipher is ${TLS_CIPHER}`) {
    throw new Error(`${name} agreed on ${agreed}, not on TLSv1.3 with ${TLS_CIPHER}`);
  }
}

/**
 * Full handshakes one after the other, as fast as they go (openssl s_time): no session is resumed,
 * no request is sent. Returns how many.
 * @throws where none was made.
 */
export async function fullHandshakes(name: string, port: number, seconds: number): Promise<number> {
  const { path } = await part("openssl");
  const flags = ["-connect", `127.0.0.1:${port}`, "-new", "-time", String(seconds)];
  const child = Bun.spawn([path, "s_time", ...flags], { stdout: "pipe", stderr: "pipe" });
  const output = await new Response(child.stdout).text();
  const problem = await new Response(child.stderr).text();
  const count = Number(/(\d+) connections in \d+ real seconds/.exec(output)?.[1] ?? 0);
  if (count === 0) throw new Error(`no handshake with ${name}: ${output}${problem}`);
  return count;
}
