#!/usr/bin/env bash
# Runs the steps named as arguments, or all of them, one after the other:
#
#	scripts/check.sh              what `make test` is
#	scripts/check.sh format vet   some of it
#
# A step that fails does not keep the others from running, except that nothing
# runs where something that is needed cannot be installed. Each step says how
# long it took.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

# A checkout that belongs to somebody else would otherwise fail to build.
export GOFLAGS="${GOFLAGS:-} -buildvcs=false"

steps=(install format vet web fuzz race test modules e2e)

# The packages of this module without the tests that need a browser.
packages() { go list ./... | grep -v '/tests/e2e$'; }

step_install() { scripts/install.sh; }

step_format() {
	local wrong
	wrong=$(find . -name '*.go' -not -path '*/node_modules/*' -exec gofmt -l {} +) || return 1
	[ -z "$wrong" ] || {
		printf 'not formatted by gofmt:\n%s\n' "$wrong"
		return 1
	}
}

step_vet() {
	go vet ./... &&
		GOOS=darwin go vet ./... && GOOS=darwin go build ./... &&
		GOOS=windows go vet ./... && GOOS=windows go build ./...
}

# The client for browsers and the scripts of the pages: their tests, and their types.
step_web() {
	node --test --test-reporter=spec js/tests internal/web/js_test &&
		internal/web/node_modules/.bin/tsc -p js && internal/web/node_modules/.bin/tsc -p internal/web
}

step_fuzz() { scripts/fuzz.sh "${FUZZTIME:-3s}"; }

# Without tests/ and examples/: those run whole programs, once, without.
step_race() {
	local list
	mapfile -t list < <(go list ./... | grep -v -e /tests/ -e /examples/)
	go test -race "${list[@]}"
}

step_test() {
	local list
	mapfile -t list < <(packages)
	go test "${list[@]}"
}

# Modules of their own, which have dependencies that maru has not.
step_modules() {
	local mod status=0
	while read -r mod; do
		echo "$mod"
		(cd "$(dirname "$mod")" && go vet ./... && go test -count=1 ./...) || status=1
	done < <(find . -mindepth 2 -name go.mod -not -path '*/node_modules/*')
	return "$status"
}

step_e2e() { go test -count=1 ./tests/e2e/...; }

[ $# -eq 0 ] || steps=("$@")
failed=()
for step in "${steps[@]}"; do
	declare -F "step_$step" >/dev/null || {
		echo "there is no step $step" >&2
		exit 2
	}
	printf '\n== %s\n' "$step"
	began=$SECONDS
	if "step_$step"; then
		result=ok
	else
		result=FAILED
		failed+=("$step")
	fi
	printf -- '-- %s: %s, %d s\n' "$step" "$result" "$((SECONDS - began))"
	if [ "$step" = install ] && [ "$result" = FAILED ]; then
		exit 1
	fi
done
if [ ${#failed[@]} -gt 0 ]; then
	printf '\nFAILED: %s (%d s in all)\n' "${failed[*]}" "$SECONDS"
	exit 1
fi
printf '\nall passed: %s (%d s in all)\n' "${steps[*]}" "$SECONDS"
