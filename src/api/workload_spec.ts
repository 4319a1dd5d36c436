/** Fields of an App that say how its pods are: they have an effect on Kubernetes only. */
import { anything } from "../schema/anything.ts";
import type { Field, Infer } from "../schema/field.ts";
import {
  boolean,
  choice,
  duration,
  integer,
  list,
  map,
  number,
  object,
  port,
  size,
  text,
} from "../schema/field.ts";
import { LABEL_EXPECTED, LABEL_PATTERN, label } from "./names.ts";
import { computeResources } from "./traffic.ts";

const ABSOLUTE = /^\/(?!.*(?:^|\/)\.\.(?:\/|$))[^\0:]*$/;

function folder(): Field<string> {
  return text({
    pattern: ABSOLUTE,
    expected: 'an absolute path in the container such as "/var/lib/data", without ".."',
    maxLength: 1024,
  });
}

export const imageName = text({
  pattern: /^[a-z0-9][a-zA-Z0-9._:/@-]*$/,
  expected: 'a container image such as "registry.example.com/shop/api:2.0.0"',
  maxLength: 512,
});

const VARIABLE = {
  key: /^[A-Za-z_][A-Za-z0-9_.-]*$/,
  keyExpected: 'a variable name such as "API_URL"',
  keyName: "VARIABLE",
};

/** `NAME/KEY` of a Secret. */
const secretKey = text({
  pattern: /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/[A-Za-z0-9._-]{1,253}$/,
  expected: 'a Secret and its key such as "db/password"',
  advise: (written) => (written.includes("/") ? null : "write NAME/KEY; never the value itself"),
});

export const secrets = map(secretKey, VARIABLE)
  .about(
    "Environment variables whose values are keys of Secrets, `NAME/KEY`. A value never stands in a " +
      "file. None by default.",
  )
  .default({})
  .example({ DB_PASSWORD: "db/password" });

export const volumes = map(
  object({
    path: folder().about("Where the App's containers see it.").example("/var/lib/mysql"),
    size: size({ min: "1Mi" })
      .about(
        "Kept when the pod goes, so many bytes of it: the App becomes a StatefulSet whose pods have " +
          "one each. Without it the folder is empty with each new pod.",
      )
      .example("10Gi")
      .optional(),
    class: label().about("Of the storage. The target's by default.").optional(),
    readOnly: boolean().about("Whether nobody writes to it. No.").default(false),
  }),
  { key: LABEL_PATTERN, keyExpected: LABEL_EXPECTED },
)
  .about("Folders that the containers of a pod share, by a name of their own.")
  .default({})
  .example({ data: { path: "/var/lib/mysql", size: "10Gi" } });

export const config = map(text({ minLength: 0, maxLength: 512 * 1024 }), {
  key: ABSOLUTE,
  keyExpected: 'an absolute path such as "/etc/nginx/nginx.conf"',
  keyName: "PATH",
})
  .about(
    "Files of the App's container with their text, from a ConfigMap. A change rolls the pods. None.",
  )
  .default({})
  .example({ "/etc/app/settings.ini": "[app]\ncolour = blue\n" });

const security = {
  user: integer({ min: 0, max: 2_147_483_647 })
    .about("The user id that it runs as. The image's own by default; 0 is root, an exception.")
    .example(101)
    .optional(),
  writable: boolean()
    .about("Whether it may write to its own root file system. No: to volumes and /tmp only.")
    .default(false),
  capabilities: list(
    text({ pattern: /^[A-Z][A-Z_]+$/, expected: 'a capability such as "NET_BIND_SERVICE"' }),
    { max: 40, unique: true },
  )
    .about("Capabilities of the kernel besides none. None: each is listed as an exception.")
    .default([])
    .example(["NET_BIND_SERVICE"]),
};

/** The App's own container. */
export const container = object({
  dir: folder()
    .about(
      "The app's working folder in the image: log files are found from here. Needed where `logs` " +
        "names one that is not absolute.",
    )
    .optional()
    .example("/app"),
  command: list(text({ minLength: 0 }), { min: 1, max: 1000 })
    .about("Started instead of what the image says.")
    .optional()
    .example(["python", "manage.py", "runserver"]),
  ...security,
}).about("The App's container.");

/** Another container of the same pod. */
const sibling = object({
  image: imageName.about("Its image."),
  command: list(text({ minLength: 0 }), { min: 1, max: 1000 })
    .about("Started instead of what the image says.")
    .optional(),
  env: map(text({ scalars: true, minLength: 0 }), VARIABLE)
    .about("Its environment, without templates.")
    .default({}),
  secrets,
  port: port()
    .about("Where it listens: others of the pod reach it on 127.0.0.1.")
    .optional()
    .example(8000),
  volumes: map(folder(), { key: LABEL_PATTERN, keyExpected: LABEL_EXPECTED })
    .about("Where it sees the App's volumes, by their name; those without have the App's path.")
    .default({})
    .example({ static: "/usr/share/nginx/html" }),
  resources: computeResources.about("What it reserves.").optional(),
  role: choice(["before", "beside"])
    .about("`before`: runs to its end before the next one starts. `beside`: stays. `beside`.")
    .default("beside"),
  ...security,
});

export const containers = map(sibling, { key: LABEL_PATTERN, keyExpected: LABEL_EXPECTED })
  .about("More containers of the same pod, in the order in which they start. None by default.")
  .default({})
  .example({ nginx: { image: "registry.example.com/nginx:1.29", port: 8080 } });

// ---------------------------------------------------------------- what it is

export const job = object({
  retries: integer({ min: 0, max: 100 }).about("How often it is tried again. 3.").default(3),
  timeout: duration({ min: "1s" }).about("It is ended after this. No bound.").optional(),
  keepFor: duration({ min: "0s" }).about("Removed so long after its end. 1d.").default("1d"),
}).about("Runs to its end once, instead of for ever.");

const CRON_PART =
  "(?:\\*|[0-9]+(?:-[0-9]+)?)(?:/[0-9]+)?(?:,(?:\\*|[0-9]+(?:-[0-9]+)?)(?:/[0-9]+)?)*";

/** Five parts: minute, hour, day, month, weekday. */
export function cronSchedule(): Field<string> {
  return text({
    pattern: new RegExp(`^${CRON_PART}(?: ${CRON_PART}){4}$`),
    expected: 'a schedule of five parts such as "0 3 * * *" (minute hour day month weekday)',
  });
}

export const schedule = object({
  cron: cronSchedule().about("When: minute, hour, day, month, weekday.").example("0 3 * * *"),
  timeZone: text({ pattern: /^[A-Za-z0-9_+/-]+$/, expected: 'a zone such as "Europe/Berlin"' })
    .about("Of `cron`. UTC.")
    .default("Etc/UTC"),
  overlap: choice(["forbid", "allow", "replace"])
    .about("While the last run has not ended: none, one more, or one instead. forbid.")
    .default("forbid"),
}).about("Runs to its end at these times, instead of for ever.");

/** A figure that an autoscaler follows besides the CPU. */
export const scalingMetric = object({
  name: text({
    pattern: /^[A-Za-z_:][A-Za-z0-9_:./-]*$/,
    expected: 'the name of a metric such as "http_requests_per_second"',
    maxLength: 253,
  })
    .about("As the cluster's metrics API has it: an adapter for Prometheus, or KEDA, serves it.")
    .example("http_requests_per_second"),
  of: choice(["pods", "external"])
    .about("`pods`: each pod has it. `external`: something else does, a queue for example. pods.")
    .default("pods"),
  target: number({ min: 0.001, max: 1e12 })
    .about("How much of it a pod is to have on average.")
    .example(100),
  labels: map(text({ minLength: 0, maxLength: 63 }), {
    key: /^[A-Za-z_][A-Za-z0-9_./-]*$/,
    keyExpected: 'a label such as "queue"',
    keyName: "LABEL",
  })
    .about("Which series of that name. All.")
    .default({})
    .example({ queue: "orders" }),
});

export type ScalingMetric = Infer<typeof scalingMetric>;

export const placement = object({
  priorityClass: label().about("An existing PriorityClass. The cluster's default.").optional(),
  nodes: map(text({ minLength: 0 }), {
    key: /^(?:[a-z0-9.-]+\/)?[A-Za-z0-9._-]+$/,
    keyExpected: 'a label such as "disk" or "example.com/disk"',
    keyName: "LABEL",
  })
    .about("Labels that a node must have. Any node by default.")
    .default({}),
  spread: choice(["prefer", "require"])
    .about("Over zones and nodes: where possible, or not at all otherwise. prefer.")
    .default("prefer"),
}).about("On which nodes its pods run.");

export const serviceAccount = object({
  name: label().about("An existing one. One of its own by default.").optional(),
  token: boolean()
    .about("Whether the pods get its token, to talk with Kubernetes. No: few apps need it.")
    .default(false),
}).about("Who its pods are to Kubernetes.");

/** Changes to what is rendered, kept apart from it. */
export const overrides = list(
  object({
    kind: text({ pattern: /^[A-Z][A-Za-z]+$/, expected: 'a kind such as "Deployment"' })
      .about("Of the object.")
      .example("Deployment"),
    name: label().about("Of the object. The App's by default.").optional(),
    merge: map(anything())
      .about("Put over the object: maps are merged, null removes, lists of named items by name.")
      .optional()
      .example({ spec: { revisionHistoryLimit: 3 } }),
    patch: list(
      object({
        op: choice(["add", "remove", "replace", "test"]).about("What to do (RFC 6902)."),
        path: text({ pattern: /^(?:\/[^/]*)*$/, expected: 'a JSON pointer such as "/spec/replicas"' })
          .about("Where."),
        value: anything().about("With what; not of `remove`.").optional(),
      }),
      { min: 1, max: 100 },
    )
      .about("A JSON patch.")
      .optional(),
    reason: text().about("Why; `outrigger exceptions` lists it.").example("the vendor asks for it"),
  }).check((value, report) => {
    if ((value.merge === undefined) === (value.patch === undefined)) {
      report("", "an override needs merge or patch, one of them", "say what is to change");
    }
  }),
  { max: 100 },
)
  .about("Changes of generated objects that no field makes. They survive rendering anew. None.")
  .default([]);
