#!/usr/bin/env bash
# fuzz.sh HOWLONG: fuzzes every target of the repository, each for a time ("5m") or a number of inputs ("10000x"). A failure leaves its
# input in the package's testdata.
set -euo pipefail
cd "$(dirname "$0")/.."
howlong=${1:?how long to fuzz each target, as 5m or 10000x}
passed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
while IFS=: read -r file target; do
	package=./$(dirname "$file")
	printf 'fuzzing %s in %s: %s\n' "$target" "$package" "$howlong" >&2
	if ! go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$howlong" >"$log" 2>&1; then
		# Go's fuzzing engine sometimes takes the end of its own time for a failure; it then has no input to show.
		if grep -q 'Failing input written' "$log" || ! grep -q '^    context deadline exceeded$' "$log"; then
			cat "$log" >&2
			exit 1
		fi
	fi
	passed=$((passed + 1))
done < <(git grep -oE 'func Fuzz[A-Za-z0-9_]+\(' -- '*_test.go' ':!test/controlplane' | sed 's/func //; s/($//')
printf '%d fuzz targets passed\n' "$passed"
[ "$passed" -gt 0 ] || { printf 'no fuzz targets were found; is this a git checkout?\n' >&2; exit 1; }
