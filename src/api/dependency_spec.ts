/** What an App needs from outside the files, and who comes to it past the sidecar. */
import { networkProblem, parseAddress } from "../base/ip_address.ts";
import type { CheckReport, Field, Infer } from "../schema/field.ts";
import { choice, duration, list, map, object, port, text } from "../schema/field.ts";
import { appReference, HOST_PATTERN, LABEL_EXPECTED, LABEL_PATTERN } from "./names.ts";

function hostOrAddress(): Field<string> {
  return text({
    pattern: /^[0-9a-zA-Z.:-]+$/,
    expected: 'a host name such as "db.example.com", or an IP address',
    maxLength: 253,
    check: (written) => {
      if (parseAddress(written) !== null) return null;
      const looksLikeAddress = written.includes(":") || /^[0-9.]+$/.test(written);
      return HOST_PATTERN.test(written) && !looksLikeAddress
        ? null
        : 'expected a host name such as "db.example.com", or an IP address';
    },
  });
}

const network = text({
  pattern: /^[0-9a-fA-F.:]+\/\d{1,3}$/,
  expected: 'a network such as "10.2.0.0/16"',
  check: networkProblem,
});

const dependency = object({
  host: hostOrAddress()
    .about(
      "Where it answers: a name or an address. The app gets it as it stands here, so that TLS finds " +
        "the name that it checks.",
    )
    .example("db.example.com"),
  port: port().about("On which port.").example(3306),
  local: object({
    host: hostOrAddress().about("A name or an address.").example("127.0.0.1"),
    port: port().about("On which port.").example(13306),
  })
    .about("Where `up` finds it on this machine instead. The same place by default.")
    .optional()
    .example({ host: "127.0.0.1", port: 13306 }),
  networks: list(network, { min: 1, max: 100, unique: true })
    .about(
      "What `host` may resolve to: an egress rule knows addresses only. Without it the port is " +
        "open to any address.",
    )
    .onlyOn("kubernetes")
    .optional()
    .example(["10.2.0.0/16"]),
  secret: text({
    pattern: /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/,
    expected: 'the name of a Secret such as "db-login"',
    advise: (written) => (written.includes("/") ? "the name alone; single keys go to secrets" : null),
  })
    .about(
      "A Secret each of whose keys becomes a variable with the dependency's name in capitals before " +
        "it: `password` of `db` is DB_password. Single keys: `secrets`. None.",
    )
    .onlyOn("kubernetes")
    .optional()
    .example("db-login"),
  wait: duration({ min: "1s", max: "30m" })
    .about(
      "A new pod waits until the port takes a connection, at most so long; then the app starts " +
        "all the same and says itself what it misses. A pod that runs is not touched when the " +
        "dependency goes, so that one database does not take every pod out of service. No wait.",
    )
    .onlyOn("kubernetes")
    .optional()
    .example("1m"),
});

export const dependencies = map(dependency, { key: LABEL_PATTERN, keyExpected: LABEL_EXPECTED })
  .about(
    "What runs elsewhere and speaks something else than HTTP, as a managed database does, by a name " +
      "of its own. It goes past the sidecar: TCP is not proxied yet. On Kubernetes the name becomes a " +
      "Service, and only this App's pods may go there. None by default.",
  )
  .default({})
  .example({ db: { host: "db.example.com", port: 3306, secret: "db-login", wait: "1m" } });

export type DependencySpec = Infer<typeof dependency>;

const bypassed = object({
  port: port().about("Where the app listens, on any address of its pod.").example(9042),
  protocol: choice(["tcp"], {
    later: { udp: "UDP is denied but for DNS" },
  })
    .about("What is let through.")
    .default("tcp"),
  from: list(appReference(), { max: 100, unique: true })
    .about("Apps whose pods may come. `[]`: only the App's own pods, as members of a cluster do.")
    .default([])
    .example(["web"]),
});

export const bypass = list(bypassed, { max: 100 })
  .about(
    "Ports of the app that are reached past the sidecar: no policy holds there, and only who is " +
      "named here comes through, which goes when the entry goes. They find it by the name NAME-pods, " +
      "for NAME itself leads through the sidecar of who has it in `calls`. None: all else is closed.",
  )
  .default([])
  .example([{ port: 9042, from: ["web"] }]);

/** One entry a port, and none that the App has already. */
export function checkBypass(
  spec: {
    readonly bypass: readonly { readonly port: number }[];
    readonly port?: number | undefined;
  },
  report: CheckReport,
): void {
  const seen = new Set<number>();
  for (const [index, { port: number }] of spec.bypass.entries()) {
    const at = ["bypass", index, "port"];
    if (number === spec.port) {
      report(at, `bypass: ${number} is the App's own port`, "callers declare it in calls");
    } else if (seen.has(number)) {
      report(at, `bypass: ${number} stands there twice`, "put their from together");
    }
    seen.add(number);
  }
}
