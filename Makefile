# `make help` lists the targets. A fresh machine needs Node 20, npm and make; the rest installs itself.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BUN := node_modules/.bin/bun
READY := node_modules/.ready
OUTRIGGER := $(BUN) src/main.ts

# Bun comes inside its npm package. Where install scripts are switched off, its own is called here.
$(READY): package.json package-lock.json
	@npm ci --no-progress --loglevel=error 1>&2
	@$(BUN) --version >/dev/null 2>&1 || node node_modules/bun/install.js 1>&2
	@$(BUN) --version >/dev/null || \
	  { echo "make: Bun does not run on this machine; see node_modules/bun/README.md" >&2; exit 1; }
	@touch $@

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9_-]+:.*## / { printf "%-26s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(READY) ## walk through the four stages and print what each one brought
	@$(BUN) tools/demo.ts

.PHONY: demo-kube
demo-kube: build ## the same on a real one-node cluster of this machine; KEEP=1 leaves it up
	@$(BUN) tools/demo_kube.ts $(if $(KEEP),--keep)

.PHONY: cluster
cluster: build ## start such a cluster, with the shop's images, and leave it up
	@$(BUN) tools/cluster.ts up

.PHONY: cluster_shell
cluster_shell: $(READY) ## a shell in its network, with kubectl
	@$(BUN) tools/cluster.ts shell

.PHONY: cluster_down
cluster_down: $(READY) ## end it
	@$(BUN) tools/cluster.ts down

.PHONY: test
test: $(READY) ## check and test everything; the last line is `N passed, N failed`
	@$(BUN) tools/test.ts

.PHONY: test-fast
test-fast: $(READY) ## the same without the end-to-end suites
	@$(BUN) tools/test.ts --fast

.PHONY: check
check: $(READY) ## rooms and rules (tidy), types, generated docs
	@$(BUN) tools/test.ts --check

.PHONY: fuzz
fuzz: $(READY) ## fuzz what reads foreign bytes: TIME=60 seconds a target, SEED=n, ONLY=name
	@$(BUN) tools/fuzz.ts $(if $(TIME),--time $(TIME)) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

.PHONY: sim
sim: $(READY) ## simulate with fresh seeds: SEED=n replays one, RUNS=100 sets how many
	@$(BUN) tools/sim.ts $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS))

.PHONY: bench
bench: $(READY) ## measure beside the others: ONLY=http1|latency|memory|odd|pipeline|render, QUICK=1
	@$(BUN) bench/bench.ts $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

.PHONY: build
build: $(READY) ## one binary: dist/outrigger
	@$(BUN) tools/build.ts

.PHONY: image
image: build ## a container image of it, without a container tool: dist/image.tar; NAME=NAME:TAG
	@$(BUN) tools/image.ts $(if $(NAME),--name $(NAME))

.PHONY: generate
generate: $(READY) ## write the generated docs and schemas anew
	@$(BUN) tools/generate.ts

.PHONY: initial
initial: $(READY) ## demo stage 0: the shop as it is; refresh http://127.0.0.1:8080 and see failures
	@$(BUN) tools/stage.ts initial

.PHONY: v1
v1: $(READY) ## demo stage 1: a sidecar in front of both: metrics, rules, graphs
	@$(BUN) tools/stage.ts v1

.PHONY: v2
v2: $(READY) ## demo stage 2: the API's log file as structured events
	@$(BUN) tools/stage.ts v2

.PHONY: v3
v3: $(READY) ## demo stage 3: timeouts, retries, a breaker and a canned answer
	@$(BUN) tools/stage.ts v3

.PHONY: create_load
create_load: $(READY) ## load on the frontend: RATE=50 a second, DURATION=20s, URL=...
	@$(OUTRIGGER) load $(or $(URL),http://127.0.0.1:8080/) --rate $(or $(RATE),50) \
	  --duration $(or $(DURATION),20s) || test $$? -eq 1 # 1: some failed, which the report says

.PHONY: reset_demo
reset_demo: $(READY) ## stop the demo and remove its state and logs
	@$(BUN) tools/stage.ts reset

.PHONY: apply_prometheus_rules
apply_prometheus_rules: $(READY) ## render the rules, check them with promtool, hand them to Prometheus
	@$(BUN) tools/prometheus.ts apply

.PHONY: forward_prometheus
forward_prometheus: $(READY) ## run Prometheus on http://127.0.0.1:9090 until Ctrl-C
	@$(BUN) tools/prometheus.ts serve

.PHONY: open_dashboard
open_dashboard: $(READY) ## open the console of the running stage in a browser
	@$(BUN) tools/stage.ts dashboard
