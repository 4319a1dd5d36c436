# Sourced by every script here: versions, cache folders, small helpers.
# KUBE_CACHE is the only folder that must outlive a checkout. Everything in it can be rebuilt.
KUBE_CACHE=${KUBE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/outrigger/kube}
KBIN=$KUBE_CACHE/bin KMODS=$KUBE_CACHE/mods KROOT=$KUBE_CACHE/debs/root

KUBE_V=${KUBE_V:-v1.35.4}             # one that still has cgroup v1 behind failCgroupV1=false
ETCD_V=${ETCD_V:-v3.6.16}
HELM_V=${HELM_V:-v3.20.2}
KWOK_V=${KWOK_V:-v0.8.0}
KUBECONFORM_V=${KUBECONFORM_V:-v0.8.0} KUBE_SCORE_V=${KUBE_SCORE_V:-v1.20.0}
GATEWAY_V=${GATEWAY_V:-v1.6.3}        # v1.7 needs Go 1.27
COREDNS_V=${COREDNS_V:-v1.14.7}
REGISTRY_V=${REGISTRY_V:-v3.1.2}
PROMETHEUS_V=${PROMETHEUS_V:-v0.313.5} ALERTMANAGER_V=${ALERTMANAGER_V:-v0.34.2}
# Whose kinds of objects we render: only their definitions are taken.
OPERATOR_V=${OPERATOR_V:-v0.85.0} VELERO_V=${VELERO_V:-v1.18.3} OPENSHIFT_V=${OPENSHIFT_V:-v0.0.0-20250710004639-926605d3338b}

# Go: only the local toolchain, never a download of another; no cgo (static binaries, no gcc run); no VCS stamping.
export GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0 GOFLAGS="-buildvcs=false -mod=mod -trimpath -p=${JOBS:-$(nproc)}"
case ":$PATH:" in *:/usr/local/go/bin:*) ;; *) PATH=$PATH:/usr/local/go/bin ;; esac
case ":$PATH:" in *":$KBIN:"*) ;; *) PATH=$KBIN:$PATH ;; esac

say() { printf '%s\n' "$*" >&2; }
timed() { # timed NAME CMD...
  local n=$1 s e rc=0; shift; s=$(date +%s.%N); "$@" || rc=$?; e=$(date +%s.%N)
  awk -v n="$n" -v s="$s" -v e="$e" 'BEGIN{printf "time %-26s %7.1f s\n", n, e-s}' >&2; return $rc
}
# start NAME CMD...: in the background, in its own session; writes $RUN/NAME.pid as "pid starttime", so that a pid
# that another process has got since is never killed.
start() {
  local n=$1; shift
  setsid "$@" >"$RUN/$n.log" 2>&1 </dev/null & local p=$!
  echo "$p $(awk '{print $22}' "/proc/$p/stat" 2>/dev/null)" > "$RUN/$n.pid"
}
alive() {
  local p t now; [ -s "$RUN/$1.pid" ] || return 1; read -r p t < "$RUN/$1.pid"
  now=$(awk '{print $22}' "/proc/$p/stat" 2>/dev/null) && [ "$now" = "$t" ] &&
    [ "$(awk '{print $3}' "/proc/$p/stat")" != Z ]
}
pid_of() { local p _; read -r p _ < "$RUN/$1.pid" && echo "$p"; }
stop() { # stop NAME [SECONDS]
  local n=$1 i p; [ -s "$RUN/$n.pid" ] || return 0
  if alive "$n"; then
    p=$(pid_of "$n"); kill "$p" 2>/dev/null || true
    for ((i = 0; i < ${2:-10} * 20; i++)); do alive "$n" || break; sleep 0.05; done
    alive "$n" && kill -9 "$p" 2>/dev/null
  fi
  rm -f "$RUN/$n.pid"
}
wait_for() { # wait_for NAME SECONDS CMD...: until CMD succeeds, while process NAME lives
  local n=$1 t=$2 end; shift 2; end=$((SECONDS + t))
  while ((SECONDS <= end)); do
    "$@" >/dev/null 2>&1 && return 0
    alive "$n" || { say "$n ended:"; tail -5 "$RUN/$n.log" >&2; return 1; }
    sleep 0.05
  done
  say "$n not ready after $t s"; tail -5 "$RUN/$n.log" >&2; return 1
}
# --- keys and kubeconfigs; both work on $PKI
leaf() { # leaf NAME SUBJECT [SAN], in $PKI
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -subj "$2" -out "$1.csr" 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -set_serial "0x$(openssl rand -hex 8)" -days 3650 -out "$1.crt" \
    -extfile <(echo "extendedKeyUsage=serverAuth,clientAuth"; echo "keyUsage=critical,digitalSignature"; [ -z "${3:-}" ] || echo "subjectAltName=$3") 2>/dev/null
  rm -f "$1.csr"
}
kubeconfig() { # kubeconfig FILE NAME: certificates inside, so that one file is enough
  b() { base64 -w0 "$PKI/$1"; }
  cat > "$1" <<Y
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "$SERVER", certificate-authority-data: $(b ca.crt)}}]
users: [{name: u, user: {client-certificate-data: $(b "$2.crt"), client-key-data: $(b "$2.key")}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
Y
}
