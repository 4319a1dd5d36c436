import { createPublicKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";

/** Certificates for tests, made when a test runs: DER by hand (X.690, RFC 5280), P-256. */
export interface TestCertificate {
  readonly certificate: string;
  readonly key: string;
  readonly commonName: string;
}

export interface TestCertificateOptions {
  readonly commonName: string;
  /** As `DNS:shop.example`, `IP:127.0.0.1`, `URI:spiffe://...`. */
  readonly names?: readonly string[];
  /** Signed by itself without one. */
  readonly issuer?: TestCertificate;
  readonly isCa?: boolean;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

/** Valid in the simulation, which begins with 2026, as well as today. */
const LONG_AGO = new Date("2025-01-01T00:00:00Z");
const FAR_AWAY = new Date("2049-01-01T00:00:00Z");
const ECDSA_SHA256 = sequence(oid("1.2.840.10045.4.3.2"));

export function testCertificate(options: TestCertificateOptions): TestCertificate {
  const { commonName, names = [], issuer, isCa = false } = options;
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const extensions = [
    // basicConstraints, critical, and who a CA is.
    extension("2.5.29.19", sequence(...(isCa ? [tlv(0x01, Buffer.from([0xff]))] : [])), true),
    ...(names.length === 0 ? [] : [extension("2.5.29.17", sequence(...names.map(generalName)))]),
  ];
  const body = sequence(
    tlv(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([0x41]), randomBytes(8)])),
    ECDSA_SHA256,
    name(issuer?.commonName ?? commonName),
    sequence(time(options.notBefore ?? LONG_AGO), time(options.notAfter ?? FAR_AWAY)),
    name(commonName),
    pair.publicKey.export({ type: "spki", format: "der" }),
    tlv(0xa3, sequence(...extensions)),
  );
  const signature = sign("sha256", body, issuer?.key ?? pair.privateKey);
  const bits = tlv(0x03, Buffer.concat([Buffer.from([0]), signature]));
  const der = sequence(body, ECDSA_SHA256, bits);
  const lines = der.toString("base64").match(/.{1,64}/g)!.join("\n");
  return {
    commonName,
    certificate: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: pair.privateKey.export({ type: "pkcs8", format: "pem" }) as string,
  };
}

/** A certificate authority that signs itself. */
export function testAuthority(commonName: string): TestCertificate {
  return testCertificate({ commonName, isCa: true });
}

/** The public half of a key, for tests that put the wrong thing into a file. */
export function publicHalf(key: string): string {
  return createPublicKey(key).export({ type: "spki", format: "pem" }) as string;
}

function tlv(tag: number, value: Uint8Array): Buffer {
  const { length } = value;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), value]);
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return tlv(0x30, Buffer.concat(parts));
}

function integer(value: Uint8Array): Buffer {
  return tlv(0x02, value);
}

function oid(text: string): Buffer {
  const [first, second, ...rest] = text.split(".").map(Number) as [number, number, ...number[]];
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return tlv(0x06, Buffer.from(bytes));
}

function name(commonName: string): Buffer {
  const attribute = sequence(oid("2.5.4.3"), tlv(0x0c, Buffer.from(commonName)));
  return sequence(tlv(0x31, attribute));
}

/** UTCTime up to 2049, as RFC 5280, 4.1.2.5 has it. */
function time(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]/g, "").slice(2, 14);
  return tlv(0x17, Buffer.from(`${digits}Z`));
}

function extension(id: string, value: Uint8Array, isCritical = false): Buffer {
  const critical = isCritical ? [tlv(0x01, Buffer.from([0xff]))] : [];
  return sequence(oid(id), ...critical, tlv(0x04, value));
}

function generalName(text: string): Buffer {
  const value = text.slice(text.indexOf(":") + 1);
  if (text.startsWith("DNS:")) return tlv(0x82, Buffer.from(value));
  if (text.startsWith("URI:")) return tlv(0x86, Buffer.from(value));
  return tlv(0x87, Buffer.from(value.split(".").map(Number)));
}
