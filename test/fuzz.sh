#!/usr/bin/env bash
# fuzz.sh TIME: fuzzes every target of the repository for TIME each. A failure leaves its input in the package's testdata.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:?how long to fuzz each target, as 30s}
passed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
while IFS=: read -r file target; do
	package=./$(dirname "$file")
	printf 'fuzzing %s in %s for %s\n' "$target" "$package" "$time" >&2
	go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -parallel 2 >"$log" 2>&1 || {
		cat "$log" >&2
		exit 1
	}
	passed=$((passed + 1))
done < <(git grep -oE 'func Fuzz[A-Za-z0-9_]+\(' -- '*_test.go' ':!test/controlplane' | sed 's/func //; s/($//; s/($//; s/(//')
printf '%d fuzz targets passed\n' "$passed"
[ "$passed" -gt 0 ] || { printf 'no fuzz targets were found; is this a git checkout?\n' >&2; exit 1; }
