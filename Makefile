# Everything a contributor runs. scripts/check.sh and scripts/release.sh do the work and can be
# called by themselves too. FUZZTIME is how long each parser is fuzzed.

GO ?= go
FUZZTIME ?= 3s
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

export FUZZTIME

.DEFAULT_GOAL := help
.PHONY: help build release test race fuzz soak bench lint e2e autobahn cover

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the program, bin/maru, as one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/maru ./cmd/maru

release: ## Build the archives of a release for Linux, macOS and Windows, with checksums, in dist/
	@scripts/release.sh

test: ## Install what the tests need, and run everything
	@scripts/check.sh

race: ## Run the tests of the packages under the race detector
	@scripts/check.sh install race

fuzz: ## Fuzz each parser for FUZZTIME (3s)
	@scripts/check.sh fuzz

soak: ## Kill servers under clients, cut clusters, damage directories, fill disks, and state the figures
	cd tests/oracle && E2E=1 $(GO) test -count=1 -timeout 60m -kills 100 -clients 200 -damages 200 -fills 20 -events 100
	E2E=1 $(GO) test ./tests/restart -count=1 -run Table -rounds 5 -timeout 60m
	E2E=1 $(GO) test ./tests/restart -count=1 -run Rolling -nodes-clients 3000 -nodes-drain 20s -timeout 20m -v

bench: ## Run the benchmarks (figures belong into docs/ with machine and command)
	$(GO) test -run '^$$' -bench . -benchmem ./...

lint: ## Check form, vet and staticcheck
	@scripts/check.sh format vet foreign
	$(GO) run $(STATICCHECK) ./...

e2e: ## Run the tests in a real browser, and those of the npm package
	@scripts/check.sh install e2e

autobahn: ## Run the Autobahn suite both ways, without and with context takeover (docs/conformance.md)
	tests/autobahn/run.sh all client
	tests/autobahn/run.sh --context-takeover all client

cover: ## Say how much of the code the tests reach, in all
	$(GO) test -coverprofile=coverage.out $$($(GO) list ./... | grep -v /tests/)
	$(GO) tool cover -func=coverage.out | tail -n 1
