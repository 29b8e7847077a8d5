#!/usr/bin/env bash
# all.sh: every check there is, one after the other, and at the end a line that counts tests. It goes on after a failure, so that one
# run shows all that is wrong. Built by make before it: bin/portcullis, bin/controlplane, bin/demo, bin/gotestsum,
# bin/golangci-lint, bin/controller-gen.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
failures=()
checks=0

# check NAME COMMAND...: one step that passes or fails as a whole.
check() {
	local name=$1 start=$SECONDS
	shift
	checks=$((checks + 1))
	printf '\n== %s\n' "$name"
	if "$@"; then
		printf '== %s: ok (%ds)\n' "$name" $((SECONDS - start))
	else
		failures+=("$name")
		printf '== %s: FAILED (%ds)\n' "$name" $((SECONDS - start))
	fi
}

# tests NAME ARGUMENTS...: Go tests, counted one by one.
tests() {
	local name=$1
	shift
	"$root/bin/gotestsum" --format pkgname --hide-summary=skipped --jsonfile "$results/$name.json" -- "$@"
}

formatted() {
	local files
	files=$(gofmt -l $(git ls-files -co --exclude-standard -- '*.go'))
	[ -z "$files" ] || { printf 'not formatted:\n%s\n' "$files"; return 1; }
}

generated_modules() {
	go mod tidy -diff && go -C test/controlplane mod tidy -diff
}

check "formatting" formatted
check "go vet" go vet ./...
check "modules are tidy" generated_modules
check "generated files are current" test/generate.sh --check
check "unit, contract and end to end, with the race detector" tests main -race -timeout 20m ./...
check "control plane" env CONTROLPLANE_BIN="$root/bin/controlplane" GOFLAGS=-buildvcs=false bash -c \
	'cd test/controlplane && "$0" --format pkgname --jsonfile "$1/controlplane.json" -- -timeout 15m ./...' "$root/bin/gotestsum" "$results"
check "Rego: format, strict check, tests" make rego
check "the demonstration" bin/demo --once
check "linters" make lint
check "fuzzing, short" test/fuzz.sh 10000x

count() { cat "$results"/*.json 2>/dev/null | grep -c "\"Action\":\"$1\".*\"Test\":" || true; }
failed=$(($(count fail) + ${#failures[@]}))
printf '\n'
for name in "${failures[@]:-}"; do [ -z "$name" ] || printf 'FAILED: %s\n' "$name"; done
printf '%d passed, %d failed, %d skipped\n' $(($(count pass) + checks - ${#failures[@]})) "$failed" "$(count skip)"
[ "$failed" -eq 0 ]
