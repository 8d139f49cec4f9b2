#!/usr/bin/env bash
# Runs the steps named as arguments, or all of them (go doc ./scripts/check):
#
#	scripts/check.sh              what `make test` is
#	scripts/check.sh format vet   some of it
set -euo pipefail
cd "$(dirname "$0")/.."
# Without this, a checkout of another user fails to build.
export GOFLAGS="${GOFLAGS:-} -buildvcs=false"
# scripts/check is compiled with its own flags for other programs, so that shared packages
# are compiled once.
CGO_ENABLED=0 go build -trimpath -o bin/check ./scripts/check
exec bin/check "$@"
