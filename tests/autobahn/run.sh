#!/usr/bin/env bash
# Runs the Autobahn suite against examples/echo, and ws.Dial against the suite, and
# demands a verdict:
#
#	AUTOBAHN='uvx --from autobahntestsuite wstest' tests/autobahn/run.sh [--context-takeover] [GROUP...]
#
# With --context-takeover both sides compress with their earlier messages as
# context, where the case allows it, and the verdict requires that they did.
#
# AUTOBAHN is the command that runs the suite's wstest; without it, wstest from
# PATH. The suite is no part of this repository and is not installed from here;
# docs/conformance.md says where to get it. GROUPs, by default core and limits:
#
#	core     1 to 7 and 10, 247 cases, 10 s
#	limits   9, 54 cases, 25 s or more
#	deflate  12 and 13, sizes 1, 4, 6 and 11 of each, 48 cases, 30 s or more
#	all      517 cases, an hour or more, under PyPy ten minutes
#	client   517 cases the other way round, as long
#
# LISTEN is where the echo listens, by default 127.0.0.1:9001, and SUITE_LISTEN where
# the suite does for the client, by default 127.0.0.1:9002. The reports stay in
# tests/autobahn/reports/GROUP, or in reports/context-takeover/GROUP.
set -euo pipefail
cd "$(dirname "$0")/../.."

read -ra wstest <<<"${AUTOBAHN:-wstest}"
if ! command -v "${wstest[0]}" >/dev/null; then
	echo "${wstest[0]} is not here: set AUTOBAHN to the command that runs wstest (docs/conformance.md)" >&2
	exit 1
fi
reports=$PWD/tests/autobahn/reports
takeover=()
if [ "${1:-}" = --context-takeover ]; then
	takeover=("$1")
	reports+=/context-takeover
	shift
fi
[ $# -gt 0 ] || set -- core limits
listen=${LISTEN:-127.0.0.1:9001}
suite_listen=${SUITE_LISTEN:-127.0.0.1:9002}
mkdir -p "$reports"
work=$(mktemp -d)

# The sizes of a group of 12 or 13 that the sample takes.
sample() {
	local group size list=()
	for group in 12.{1..5} 13.{1..7}; do
		for size in 1 4 6 11; do list+=("\"$group.$size\""); done
	done
	(IFS=, && echo "${list[*]}")
}

# What the group has: its cases, and how many that are.
cases() {
	case $1 in
	core) echo '247 "1.*","2.*","3.*","4.*","5.*","6.*","7.*","10.*"' ;;
	limits) echo '54 "9.*"' ;;
	deflate) echo "48 $(sample)" ;;
	all | client) echo '517 "*"' ;;
	*) echo "there is no group $1: core, limits, deflate, all, client" >&2 && return 2 ;;
	esac
}

for group; do cases "$group" >/dev/null; done

go build -o "$work/" ./examples/echo ./tests/autobahn/verdict ./tests/autobahn/client
pids=()
trap 'for pid in "${pids[@]}"; do { kill "$pid" && wait "$pid"; } 2>/dev/null || true; done; rm -rf "$work"' EXIT

# Waits until the process that was started last listens there; if it ends it has
# said why.
await() {
	until (: <"/dev/tcp/${1%:*}/${1##*:}") 2>/dev/null; do
		kill -0 "${pids[-1]}" 2>/dev/null || return 1
		sleep 0.1
	done
}

# The server in the report's group. wstest says 0 whatever it has found: the report
# is what counts.
server() {
	if [ -z "${echo:-}" ]; then
		"$work/echo" --listen "$listen" "${takeover[@]}" &
		echo=$!
		pids+=("$echo")
		await "$listen" || return 1
	fi
	cat >"$reports/$1.json" <<-SPEC
		{"outdir": "$reports/$1", "servers": [{"agent": "maru", "url": "ws://$listen"}],
		 "cases": [$2], "exclude-cases": [], "exclude-agent-cases": {}}
	SPEC
	"${wstest[@]}" -m fuzzingclient -s "$reports/$1.json" >"$reports/$1.log" 2>&1
}

# The client: the suite serves, without its web pages (-u 0).
client() {
	cat >"$reports/$1.json" <<-SPEC
		{"outdir": "$reports/$1", "url": "ws://$suite_listen",
		 "cases": [$2], "exclude-cases": [], "exclude-agent-cases": {}}
	SPEC
	"${wstest[@]}" -m fuzzingserver -s "$reports/$1.json" -u 0 >"$reports/$1.log" 2>&1 &
	pids+=($!)
	await "$suite_listen" && "$work/client" "${takeover[@]}" "ws://$suite_listen"
}

status=0
for group; do
	read -r expect list <<<"$(cases "$group")"
	rm -rf "${reports:?}/$group" # a run that fails early must not find an older report
	case $group in
	client) run=client ;;
	*) run=server ;;
	esac
	"$run" "$group" "$list" || {
		echo "$group: the run failed, see $reports/$group.log" >&2
		status=1
	}
	"$work/verdict" "$reports/$group" --expect "$expect" "${takeover[@]}" || status=1
done
exit "$status"
