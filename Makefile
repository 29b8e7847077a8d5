# Portcullis. `make help` lists what there is; Go, git, make and a C compiler (for the race detector) are all it needs to build. Tests of pages want chromium, node, npm and xmllint, too.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GO ?= go
KUBERNETES := v1.37.2
CONTROLPLANE_LDFLAGS := -s -w -X k8s.io/component-base/version.gitVersion=$(KUBERNETES) \
	-X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37
# What a binary is made of, as far as make need know: Go decides what to compile again.
SOURCES := $(wildcard $(shell git ls-files -co --exclude-standard -- '*.go' '*.rego' 'policies/*.yaml' go.mod go.sum \
	':!*_test.go' ':!test/controlplane' 2>/dev/null))
PLANE_SOURCES := $(wildcard $(shell git ls-files -co --exclude-standard -- test/controlplane ':!test/controlplane/contract' 2>/dev/null))

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z\/-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: bin/portcullis ## build bin/portcullis

bin/portcullis: $(filter-out test/%,$(SOURCES))
	@CGO_ENABLED=0 test/progress.sh "building Portcullis" $(GO) build -trimpath -ldflags "-s -w" -o $@ .

# The first build compiles a Kubernetes API server and takes minutes. Without -trimpath and with cgo as it is, the tests of the module
# share what it compiled.
bin/controlplane: $(PLANE_SOURCES)
	@test/progress.sh "building a Kubernetes control plane from its modules (minutes the first time)" \
		$(GO) -C test/controlplane build -ldflags "$(CONTROLPLANE_LDFLAGS)" -o ../../$@ .

# What cert-manager itself does is tested with its own controllers, built from its module. Without it those tests are skipped.
bin/certmanager: $(wildcard test/certmanager/*)
	@test/progress.sh "building cert-manager's controllers from their module" $(GO) -C test/certmanager build -o ../../$@ .

.PHONY: certmanager
certmanager: bin/certmanager bin/portcullis bin/controlplane bin/helm ## test releases whose certificates cert-manager's own controllers make
	@$(GO) test -count=1 -run CertManager ./test/release
	@$(GO) test -count=1 ./certs/certmanager

# The pages are looked at in Debian's chromium, which node drives.
test/browser/node_modules: test/browser/package-lock.json
	@test/progress.sh "fetching what drives the browser" npm ci --prefix test/browser --no-audit --no-fund --silent
	@touch $@

.PHONY: browser
browser: test/browser/node_modules ## fetch what the tests of pages need beside chromium

.PHONY: screenshots
screenshots: test/browser/node_modules ## take the pictures of the pages in docs/audit/images anew
	@dir=$$(mktemp -d) && SHOTS=$$dir $(GO) test -count=1 -run TestThePagesInABrowser ./audit/web >/dev/null && mkdir -p docs/audit/images && \
		for page in overview-light-1280 violations-light-1280 decision-light-1280 policy-dark-390; do cp $$dir/$$page.png docs/audit/images/; done

bin/demo: $(SOURCES)
	@test/progress.sh "building the demonstration" $(GO) build -o $@ ./test/demo

bin/bench: $(SOURCES)
	@test/progress.sh "building the benchmarks" $(GO) build -o $@ ./test/bench

bin/golangci-lint: tools.mod
	@test/progress.sh "building golangci-lint" $(GO) build -modfile=tools.mod -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

bin/gotestsum: tools.mod
	@test/progress.sh "building gotestsum" $(GO) build -modfile=tools.mod -o $@ gotest.tools/gotestsum

bin/helm: tools.mod
	@test/progress.sh "building helm" $(GO) build -modfile=tools.mod -o $@ helm.sh/helm/v4/cmd/helm

bin/helm-docs: tools.mod
	@test/progress.sh "building helm-docs" $(GO) build -modfile=tools.mod -o $@ github.com/norwoodj/helm-docs/cmd/helm-docs

.PHONY: chart
chart: bin/helm bin/helm-docs bin/controlplane ## lint the chart, render and judge it, and install it; UPDATE=1 writes its README and golden files
	@bin/helm lint --strict --quiet charts/portcullis
	@$(if $(UPDATE),bin/helm-docs --chart-search-root=charts/portcullis --skip-version-footer --log-level=error)
	@$(GO) test -count=1 ./test/chart ./test/release
bin/controller-gen: tools.mod
	@test/progress.sh "building controller-gen" $(GO) build -modfile=tools.mod -o $@ sigs.k8s.io/controller-tools/cmd/controller-gen

.PHONY: generate
generate: bin/controller-gen ## make DeepCopy and the CRDs of the kinds in policies/v1alpha1 anew
	@test/generate.sh policies/v1alpha1 charts/portcullis/files/crds

.PHONY: demo
demo: bin/portcullis bin/demo bin/controlplane ## guard a real API server and walk through it; ONCE=1 ends after the walk
	@bin/demo $(if $(filter-out 0 no false,$(ONCE)),--once)

.PHONY: test
test: ## run everything: unit, race, Rego, contract, end to end, fuzzing (short), linters
	@test/all.sh

.PHONY: drills
drills: bin/portcullis bin/controlplane bin/helm ## break a cluster in every way of docs/reliability.md, and print the figures
	@DRILLS=full $(GO) test -count=1 -timeout 10m -v -run TestAuthorityRotationUnderLoad ./certs
	@DRILLS=full $(GO) test -count=1 -timeout 40m -v ./test/drills

.PHONY: lint
lint: bin/golangci-lint ## run the linters
	@bin/golangci-lint run ./...
	@cd test/controlplane && ../../bin/golangci-lint run --config ../../.golangci.yml ./...

.PHONY: rego
rego: bin/portcullis ## check and test the library's Rego
	@bin/portcullis fmt --list --fail policies/library
	@bin/portcullis check --strict policies/library
	@bin/portcullis test policies/library

.PHONY: fuzz
fuzz: ## fuzz every target; FUZZTIME=5m for each
	@test/fuzz.sh $(or $(FUZZTIME),5m)

.PHONY: bench-replay
bench-replay: bin/portcullis ## measure how long 100,000 recorded requests take to be asked again
	@$(GO) test -run '^$$' -bench BenchmarkReplay -benchtime 1x -timeout 20m ./test/replay

.PHONY: bench-audit
bench-audit: bin/portcullis bin/controlplane ## measure what it costs to audit 200,000 objects, and to follow 500 changes a second (W10)
	@$(GO) test -run '^$$' -bench BenchmarkW10 -benchtime 1x -timeout 60m ./test/scale

.PHONY: scale
scale: ## hold the arithmetic of docs/scale.md to a million synthetic objects on four shards
	@PORTCULLIS_SCALE_OBJECTS=1000000 $(GO) test -count=1 -timeout 20m -v -run TestScale ./audit/sweep

.PHONY: bench
bench: bin/portcullis bin/controlplane bin/bench ## measure the workloads against the floor
	@bin/bench $(BENCHFLAGS)

.PHONY: clean
clean: ## remove what was built and what the demonstration left
	@rm -rf bin .demo
