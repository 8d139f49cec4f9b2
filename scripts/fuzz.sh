#!/usr/bin/env bash
# Fuzzes every target there is for a time each: scripts/fuzz.sh 30s
#
# An input that fails is kept by Go under testdata/fuzz of its package. Commit it
# with the repair: it is a test from then on.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

time=${1:-3s}
status=0
targets=$(grep -rEo '^func Fuzz[A-Za-z0-9_]*' --include='*_test.go' --exclude-dir=node_modules . | sort)
if [ -z "$targets" ]; then
	echo 'no fuzz target was found' >&2
	exit 1
fi
fuzz() { (cd "$1" && go test -run '^$' -fuzz "^$2\$" -fuzztime "$time" . 2>&1); }

# On a busy machine go test may take the end of its own fuzzing time for a
# failure. That, and only that, is tried once more.
ran_out_of_time() { grep -q 'context deadline exceeded' <<<"$1" && ! grep -q 'Failing input' <<<"$1"; }

while IFS=: read -r file target; do
	dir=$(dirname "$file") name=${target#func }
	if out=$(fuzz "$dir" "$name") || { ran_out_of_time "$out" && out=$(fuzz "$dir" "$name"); }; then
		printf '%s\t%s\n' "$(tail -n 1 <<<"$out")" "$name"
	else
		printf '%s\nFAIL\t%s\t%s\n' "$out" "$dir" "$name"
		status=1
	fi
done <<<"$targets"
exit "$status"
