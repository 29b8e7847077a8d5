#!/usr/bin/env bash
# fuzz.sh TIME: fuzzes every target of the repository for TIME each. A failure leaves its input in the package's testdata.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:?how long to fuzz each target, as 30s}
passed=0
while IFS=: read -r file target; do
	package=./$(dirname "$file")
	printf 'fuzzing %s in %s for %s\n' "$target" "$package" "$time" >&2
	# One worker: with two, Go's fuzzing engine sometimes counts its own deadline as a failure.
	go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -parallel 2 >/tmp/fuzz.$$ 2>&1 || {
		cat /tmp/fuzz.$$ >&2
		rm -f /tmp/fuzz.$$
		exit 1
	}
	passed=$((passed + 1))
done < <(git grep -oE 'func Fuzz[A-Za-z0-9_]+\(' -- '*_test.go' ':!test/controlplane' | sed 's/func //; s/($//; s/($//; s/(//')
rm -f /tmp/fuzz.$$
printf '%d fuzz targets passed\n' "$passed"
