#!/usr/bin/env bash
# all.sh: every check there is, one after the other, and at the end a line that counts tests. It goes on after a failure, so that one
# run shows all that is wrong; what cannot be built is a failure like any other.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
. test/steps.sh

# controlplane NAME ARGUMENTS...: tests of the control plane's module.
controlplane() {
	(cd test/controlplane && CONTROLPLANE_BIN="$root/bin/controlplane" GOFLAGS=-buildvcs=false tests "$@")
}

# pods: as many made-up Pods as are judged as Kubernetes judges them.
pods() {
	PODS=100000 tests pods -timeout 20m -run '^TestPodsAreJudgedAsByKubernetes$' ./policies/library
}

formatted() {
	local file files=() unformatted
	while IFS= read -r -d '' file; do
		[ ! -f "$file" ] || files+=("$file") # git still lists what was removed and not committed
	done < <(git ls-files -z -co --exclude-standard -- '*.go')
	[ "${#files[@]}" -gt 0 ] || { printf 'no Go files were found; is this a git checkout?\n'; return 1; }
	unformatted=$(gofmt -l "${files[@]}") || return 1
	[ -z "$unformatted" ] || { printf 'not formatted:\n%s\n' "$unformatted"; return 1; }
}

generated_modules() {
	go mod tidy -diff && go -C test/controlplane mod tidy -diff && go -C test/certmanager mod tidy -diff
}

for binary in portcullis controlplane certmanager demo gotestsum golangci-lint controller-gen helm helm-docs; do
	check "build bin/$binary" make "bin/$binary"
done
check "what drives the browser" make browser
check "formatting" formatted
check "go vet" go vet ./...
check "modules are tidy" generated_modules
check "generated files are current" test/generate.sh --check
# What takes longest starts first, and one more package than the two processors of CI has begun: the long ones wait half of their time.
check "unit, contract and end to end, with the race detector" tests main -race -timeout 20m -p 3 \
	./cmd ./test/release ./test/drills ./certs ./test/e2e ./policies/source ./webhook/registration $(go list ./... | grep -v '/policies/library$')
# Its tests judge thousands of Pods one after the other; the race detector would see nothing, and take ten times as long.
check "the library, without the race detector" tests library ./policies/library
check "certificates: histories of rotation, without the race detector" tests histories -run '^TestRotationNeverRefused$' ./certs
check "Pod Security Standards: 100,000 Pods, without the race detector" pods
check "control plane: its processes, with the race detector" controlplane plane -race -timeout 10m ./plane
check "control plane: the webhook contract" controlplane controlplane -timeout 15m . ./contract
check "Rego: format, strict check, tests" make rego
check "the chart's lint" bin/helm lint --strict --quiet charts/portcullis
check "the demonstration" bin/demo --once
check "linters" make lint
check "fuzzing, short" test/fuzz.sh 10000x

sums
