#!/usr/bin/env bash
# Runs the steps named as arguments, or all of them (go doc ./scripts/check):
#
#	scripts/check.sh              what `make test` is
#	scripts/check.sh format vet   some of it
set -euo pipefail
cd "$(dirname "$0")/.."
# A checkout that belongs to somebody else would otherwise fail to build.
export GOFLAGS="${GOFLAGS:-} -buildvcs=false"
# The scripts' tool is compiled as it compiles everything else, so that what it needs
# is compiled once.
CGO_ENABLED=0 go build -trimpath -o bin/check ./scripts/check
exec bin/check "$@"
