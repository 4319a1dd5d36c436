/** Where manifests are applied: what differs from one platform to the next is in here, as values. */

export interface Target {
  readonly name: TargetName;
  /** One sentence. */
  readonly summary: string;
  /** The oldest minor version of Kubernetes 1 that the objects are for. */
  readonly minor: number;
  /** What takes requests from outside to the gateway. */
  readonly ingress: (typeof INGRESSES)[number];
  /** Null: the cluster's default one. */
  readonly ingressClass: string | null;
  /** Null: the cluster's default one. */
  readonly storageClass: string | null;
  /** How metrics are found. */
  readonly monitoring: Monitoring;
  /** Of who may read metrics. */
  readonly monitoringNamespace: string;
  /** Of the cluster's DNS servers, and the label that they carry. */
  readonly dns: {
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
    /** What their pods listen on; not what the Service does. */
    readonly port: number;
  };
  /** What the platform assigns: then none is written. */
  readonly assignsUser: boolean;
  readonly clusterDomain: string;
}

export const TARGET_NAMES = [
  "kubernetes",
  "eks",
  "aks",
  "gke",
  "openshift",
  "on-premises",
] as const;
export type TargetName = (typeof TARGET_NAMES)[number];

/** By the Prometheus operator's PodMonitor or ServiceMonitor, by pods' annotations, or not at all. */
export const MONITORINGS = ["pods", "services", "annotations", "none"] as const;
export type Monitoring = (typeof MONITORINGS)[number];

export const INGRESSES = ["ingress", "gateway-api", "route"] as const;

const PLAIN: Target = {
  name: "kubernetes",
  summary: "Any Kubernetes from 1.29 on.",
  minor: 29,
  ingress: "ingress",
  ingressClass: null,
  storageClass: null,
  monitoring: "pods",
  monitoringNamespace: "monitoring",
  dns: { namespace: "kube-system", labels: { "k8s-app": "kube-dns" }, port: 53 },
  assignsUser: false,
  clusterDomain: "cluster.local",
};

export const TARGETS: Readonly<Record<TargetName, Target>> = {
  kubernetes: PLAIN,
  eks: {
    ...PLAIN,
    name: "eks",
    summary: "Amazon's: the load balancer controller's ingress class, gp3 volumes.",
    ingressClass: "alb",
    storageClass: "gp3",
  },
  aks: {
    ...PLAIN,
    name: "aks",
    summary: "Azure's: the application routing add-on's ingress class, CSI volumes.",
    ingressClass: "webapprouting.kubernetes.azure.com",
    storageClass: "managed-csi",
  },
  gke: {
    ...PLAIN,
    name: "gke",
    summary: "Google's: its ingress class, balanced volumes.",
    ingressClass: "gce",
    storageClass: "standard-rwo",
  },
  openshift: {
    ...PLAIN,
    name: "openshift",
    summary: "Red Hat's: Routes, users that the namespace assigns (restricted-v2), its own DNS.",
    ingress: "route",
    dns: {
      namespace: "openshift-dns",
      labels: { "dns.operator.openshift.io/daemonset-dns": "default" },
      port: 5353,
    },
    monitoringNamespace: "openshift-user-workload-monitoring",
    assignsUser: true,
  },
  "on-premises": {
    ...PLAIN,
    name: "on-premises",
    summary: "A cluster of one's own: the nginx ingress class.",
    ingressClass: "nginx",
  },
};

/** `lifecycle.preStop.sleep`: by default on from 1.30. */
export function hasSleepHook({ minor }: Target): boolean {
  return minor >= 30;
}
