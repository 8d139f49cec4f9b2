#!/usr/bin/env bash
# Installs what the tests need beside Go and Node.js: packages of npm by their
# lock files, and programs from Debian's packages. Where it may not install those,
# it fails and prints the line to run.
set -euo pipefail
cd "$(dirname "$0")/.."

PATH=$PATH:/usr/sbin:/sbin # where nginx, haproxy and others are

has() { command -v "$1" >/dev/null 2>&1; }

node_is_new_enough() { [ "$(node -p 'parseInt(process.versions.node)')" -ge 20 ]; }

if ! has node || ! has npm || ! node_is_new_enough; then
	echo 'the tests need Node.js 20 or newer with npm: https://nodejs.org/en/download' >&2
	exit 1
fi

missing=()
has chromium || has chromium-browser || has google-chrome || missing+=(chromium)
has firefox-esr || has firefox || missing+=(firefox-esr)
has nginx || missing+=(nginx-light)
has haproxy || missing+=(haproxy)
has caddy || missing+=(caddy)
has apache2 || missing+=(apache2-bin)
has varnishd || missing+=(varnish)
has promtool || missing+=(prometheus) # to check the alert rules; its server is not started
has systemd-socket-activate || missing+=(systemd)
has curl || missing+=(curl)
# Debian's Python is not always the first in PATH.
/usr/bin/python3 -I -c 'import socketio, requests, websocket' 2>/dev/null || missing+=(python3-socketio python3-requests python3-websocket)
has gcc || has clang || missing+=(gcc libc6-dev) # for the race detector

if [ ${#missing[@]} -gt 0 ]; then
	root=()
	[ "$(id -u)" -eq 0 ] || root=(sudo -n)
	if ! has apt-get || ! "${root[@]}" true 2>/dev/null; then
		echo "the tests need ${missing[*]}, which may not be installed from here; run:" >&2
		echo "	sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
		exit 1
	fi
	# Debian starts the services of what it installs, on ports such as 80. The tests start
	# programs themselves.
	policy=/usr/sbin/policy-rc.d
	if [ ! -e $policy ]; then
		trap '"${root[@]}" rm -f $policy' EXIT
		printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee $policy >/dev/null
		"${root[@]}" chmod +x $policy
	fi
	"${root[@]}" apt-get update
	"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
fi

# npm leaves a copy of the lock file with what it installed.
find . -name package-lock.json -not -path "*/node_modules/*" | sort | while read -r lock; do
	dir=$(dirname "$lock")
	if [ ! "$dir/node_modules/.package-lock.json" -nt "$dir/package-lock.json" ]; then
		(cd "$dir" && npm ci </dev/null)
	fi
done
