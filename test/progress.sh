#!/usr/bin/env bash
# progress.sh SENTENCE COMMAND...: runs the command and says every few seconds that it still does, so that nobody thinks it hangs.
# What the command prints is shown when it fails.
set -euo pipefail
sentence=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
start=$SECONDS
"$@" >"$log" 2>&1 &
pid=$!
trap 'kill "$pid" 2>/dev/null || true; rm -f "$log"; exit 130' INT TERM
shown=0
while kill -0 "$pid" 2>/dev/null; do
	took=$((SECONDS - start))
	if ((took >= 2 && took >= shown + (took < 60 ? 5 : 15) || took == 2 && shown == 0)); then
		shown=$took
		printf '%s: %ds\n' "$sentence" "$took" >&2
	fi
	sleep 0.2
done
if ! wait "$pid"; then
	cat "$log" >&2
	printf '%s: failed after %ds\n' "$sentence" $((SECONDS - start)) >&2
	exit 1
fi
