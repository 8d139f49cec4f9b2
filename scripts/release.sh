#!/usr/bin/env bash
# Builds the archives of a release in dist/, with their checksums (go doc ./scripts/release):
#
#	scripts/release.sh                      for all systems
#	scripts/release.sh linux/amd64          for one
set -euo pipefail
cd "$(dirname "$0")/.."
# Without a repository the archives bear the current time, and the version is unknown.
if [ -z "${SOURCE_DATE_EPOCH:-}" ] && date=$(git log -1 --format=%ct 2>/dev/null); then
	export SOURCE_DATE_EPOCH=$date
fi
exec go run ./scripts/release "$@"
