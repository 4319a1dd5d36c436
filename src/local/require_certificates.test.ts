import { expect, test } from "bun:test";
import { testAuthority, testCertificate } from "../base/contract/certificates.ts";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import { appText, snapshotsOf } from "../compile/testdata/from_text.ts";
import { ProblemsFailure } from "./load_set.ts";
import { requireCertificates } from "./require_certificates.ts";

const SNAPSHOTS = snapshotsOf(
  appText("front", 8443, [
    "tls:",
    "  certificates:",
    "    - { certificate: /certs/shop.pem, key: /certs/shop.key }",
    "    - { certificate: /certs/gone.pem, key: /certs/gone.key }",
    "  clientCertificate: require",
    "  clientCa: /certs/clients.pem",
  ]),
);

test("files of a call's TLS are read too", () => {
  const world = createSimulatedWorld({ seed: 1 });
  const tls = "{ serverName: x, ca: /certs/ca.pem, certificate: /certs/me.pem, key: /certs/me.key }";
  const calls = [`calls: { api: { endpoints: ["10.0.0.1:443"], tls: ${tls} } }`];
  let problems: ProblemsFailure["problems"] = [];
  try {
    requireCertificates(world, snapshotsOf(appText("front", 8080, calls)));
  } catch (error) {
    ({ problems } = error as ProblemsFailure);
  }
  expect(problems.map(({ field, message }) => `${field}: ${message}`)).toEqual([
    expect.stringMatching(/^spec\.calls\.api\.tls\.ca: calls\.api\.tls\.ca: cannot read/),
    expect.stringMatching(/^spec\.calls\.api\.tls\.certificate: .* cannot read \/certs\/me.pem/),
  ]);
});

test("files of certificates that cannot be used are named, each with its line", () => {
  const world = createSimulatedWorld({ seed: 1 });
  const authority = testAuthority("CA");
  const shop = testCertificate({ commonName: "shop", issuer: authority });
  world.files.makeFolder("/certs");
  world.files.write("/certs/shop.pem", shop.certificate);
  world.files.write("/certs/shop.key", authority.key);
  world.files.write("/certs/clients.pem", "nonsense");
  let failure: unknown = null;
  try {
    requireCertificates(world, SNAPSHOTS);
  } catch (error) {
    failure = error;
  }
  expect(failure).toBeInstanceOf(ProblemsFailure);
  const { problems } = failure as ProblemsFailure;
  expect(problems.map(({ line, field, message }) => `${line} ${field}: ${message}`)).toEqual([
    '12 spec.tls.clientCa: clientCa: the CA has no PEM block "BEGIN CERTIFICATE"',
    "9 spec.tls.certificates[0]: certificate shop: " +
      "the key is not that of the certificate (CN=shop)",
    "10 spec.tls.certificates[1]: certificate gone: cannot read /certs/gone.pem: " +
      "there is no such file or folder (ENOENT)",
  ]);
  world.files.write("/certs/shop.key", shop.key);
  world.files.write("/certs/clients.pem", authority.certificate);
  world.files.write("/certs/gone.pem", shop.certificate);
  world.files.write("/certs/gone.key", shop.key);
  requireCertificates(world, SNAPSHOTS);
});
