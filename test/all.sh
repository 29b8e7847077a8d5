#!/usr/bin/env bash
# all.sh: every check there is, one after the other, and at the end a line that counts tests. It goes on after a failure, so that one
# run shows all that is wrong; what cannot be built is a failure like any other.
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

# controlplane NAME ARGUMENTS...: tests of the control plane's module.
controlplane() {
	(cd test/controlplane && CONTROLPLANE_BIN="$root/bin/controlplane" GOFLAGS=-buildvcs=false tests "$@")
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
	go mod tidy -diff && go -C test/controlplane mod tidy -diff
}

for binary in portcullis controlplane demo gotestsum golangci-lint; do
	check "build bin/$binary" make "bin/$binary"
done
check "formatting" formatted
check "go vet" go vet ./...
check "modules are tidy" generated_modules
check "unit, contract and end to end, with the race detector" tests main -race -timeout 20m ./...
check "control plane: its processes, with the race detector" controlplane plane -race -timeout 10m ./plane
check "control plane: the webhook contract" controlplane controlplane -timeout 15m . ./contract
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
