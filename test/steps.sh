# steps.sh: what all.sh goes through step by step, and how it counts. It is sourced, with root set to the folder in whose bin the tools are.
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
failures=()
checks=0
unnamed=0 # steps that failed without a test that did

# check NAME COMMAND...: one step that passes or fails as a whole.
check() {
	local name=$1 start=$SECONDS before
	shift
	checks=$((checks + 1))
	before=$(count fail)
	printf '\n== %s\n' "$name"
	if "$@"; then
		printf '== %s: ok (%ds)\n' "$name" $((SECONDS - start))
		return
	fi
	failures+=("$name")
	[ "$(count fail)" -gt "$before" ] || unnamed=$((unnamed + 1))
	printf '== %s: FAILED (%ds)\n' "$name" $((SECONDS - start))
}

# tests NAME ARGUMENTS...: Go tests, counted one by one.
tests() {
	local name=$1
	shift
	"$root/bin/gotestsum" --format pkgname --hide-summary=skipped --jsonfile "$results/$name.json" -- "$@"
}

# count ACTION: how many tests came to that: pass, fail or skip.
count() { cat "$results"/*.json 2>/dev/null | grep -c "\"Action\":\"$1\".*\"Test\":" || true; }

# sums prints the steps that failed and, in the last line, how many tests and steps passed and failed. A step whose tests failed is
# counted by them. It fails when anything did.
sums() {
	local failed name
	failed=$(($(count fail) + unnamed))
	printf '\n'
	for name in "${failures[@]:-}"; do [ -z "$name" ] || printf 'FAILED: %s\n' "$name"; done
	printf '%d passed, %d failed, %d skipped\n' $(($(count pass) + checks - ${#failures[@]})) "$failed" "$(count skip)"
	[ "${#failures[@]}" -eq 0 ]
}
