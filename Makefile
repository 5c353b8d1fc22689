# Everything CI does is a target here; .ci/run only installs what is missing and calls `make ci`.

GO       ?= go
FUZZTIME ?= 1m
BENCH    ?=

LINTER := $(CURDIR)/.ci/golangci-lint

# Every folder with a go.mod. The tests over SQL are the last by name and wait most, so they come first.
MODULES := $(shell find . \( -name '.?*' -o -name '_*' -o -name testdata -o -name node_modules \) -prune \
	-o -name go.mod -print | sed 's|/go.mod$$||' | sort -r)

# `./...` does not enter nested modules. One command for the packages of all modules builds and runs them
# side by side, which go.work allows.
PACKAGES := $(MODULES:%=%/...)

# Tests that wait leave the cores to two others, or to the compiler.
AT_ONCE := -p $(shell echo $$(($$(getconf _NPROCESSORS_ONLN || echo 2) + 2)))

# $(call each,COMMAND) runs COMMAND in every module and stops at the first that fails.
each = @for dir in $(MODULES); do echo "-- $$dir"; (cd "$$dir" && $(1)) || exit 1; done

heading = @echo "== $$(date +%T) $@: $(1)"

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help fmt lint vuln vuln-each vet test race bench soak fuzz cover tidy consumer ci checks fmt-check tidy-check standalone quickstart

# Only the race detector needs cgo. A package that imports net would be compiled once more for it.
export CGO_ENABLED = 0

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

fmt: ## Format all Go files (gofumpt, goimports)
	$(call heading,gofumpt and goimports)
	@$(LINTER) fmt

lint: ## Run golangci-lint in every module
	$(call heading,golangci-lint in every module)
	@$(LINTER) run $(PACKAGES)
	$(call each,$(LINTER) run --enable-only gomoddirectives ./...)

vuln: ## Look for known vulnerabilities in every module, where vuln.go.dev can be reached
	$(call heading,govulncheck in every module)
	@if curl -sfm 10 -o /dev/null https://vuln.go.dev/index/db.json; then \
		$(MAKE) --no-print-directory vuln-each; \
	else echo "skipped: https://vuln.go.dev cannot be reached"; fi

vuln-each:
	$(call each,go run golang.org/x/vuln/cmd/govulncheck@v1.1.4 ./...)

vet: ## Run go vet in every module
	$(call heading,go vet in every module)
	@$(GO) vet $(PACKAGES)

# Vetting is left to lint.
test: ## Test every module; needs only Go and make
	$(call heading,every module without cgo)
	@$(GO) test $(AT_ONCE) -vet=off -shuffle=on -timeout 30m $(PACKAGES)

# bench only measures, interop calls other people's clients one after the other, and examples use the
# library as its own tests do.
RACED := $(filter-out ./bench/% ./interop/% ./examples/%,$(PACKAGES))

# Packages of functions without goroutines. Their tests of profiles run a Dispatcher, as many others do.
UNRACED := profile|storetest|internal/(apicases|contract|hookurl|netguard|paging|rate|secrets|signature|versions)

# SQLite in Go is C that a program translated: the detector would make it ten times slower and could say nothing of our code.
race: ## Test what runs goroutines with the race detector; needs a C compiler
	$(call heading,what runs goroutines with the race detector)
	@CGO_ENABLED=1 $(GO) test $(AT_ONCE) -race '-gcflags=modernc.org/...=-race=false' -vet=off -shuffle=on -timeout 30m \
		$$($(GO) list $(RACED) | grep -vE '/($(UNRACED))$$')

bench: ## Run the benchmarks, then ./bench (BENCH='its arguments')
	$(call heading,benchmarks of the published module then ./bench)
	@$(GO) test -run '^$$' -bench . -benchmem ./...
	@$(GO) run ./bench $(BENCH)

soak: ## Measure the SQL stores with millions of rows, and kill many processes; takes half an hour
	$(call heading,claims and housekeeping beside millions of rows and many crashes)
	@cd sqlstore/drivertest && WEBHOOK_TEST_SOAK=1 $(GO) test -run '^TestSoak|^TestNothing' -count=1 -timeout 2h -v .

fuzz: ## Run every fuzz target for FUZZTIME (default 1m) each
	$(call heading,$(FUZZTIME) each)
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed -E 's|/[^/]*:func | |' | sort | \
	while read -r dir name; do \
		echo "-- $$dir $$name"; \
		(cd "$$dir" && $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) . </dev/null) || exit 1; \
	done

# The tests of nested modules count: the stores over SQL are tested there.
cover: ## Write coverage.out for the published module and print the total
	$(call heading,the published module by the tests of all modules)
	@rm -rf .cover && mkdir .cover
	$(call each,$(GO) test -coverpkg="$$(cd $(CURDIR) && $(GO) list ./... | paste -sd , -)" ./... \
		-args -test.gocoverdir=$(CURDIR)/.cover)
	@$(GO) tool covdata textfmt -i=.cover -o=coverage.out
	@$(GO) tool cover -func=coverage.out | tail -n 1

tidy: ## Run go mod tidy in every module
	$(call heading,go mod tidy in every module)
	$(call each,$(GO) mod tidy)

consumer: ## Build an empty module that gets the library as a user does
	$(call heading,an empty module that imports the library)
	@.ci/consumer

# What takes tens of seconds, such as crashes of processes and servers, is left to ci. The tests wait for
# servers and leases half of the time, in which the checks use the cores.
ci: export WEBHOOK_TEST_LONG = 1
ci: ## Run everything CI runs
	@.ci/together '$(MAKE) --no-print-directory test' 'nice $(MAKE) --no-print-directory --keep-going checks'
	@echo "ci: all steps passed"

# The linter has all that go vet has.
checks: fmt-check tidy-check lint race standalone consumer quickstart

fmt-check:
	$(call heading,formatting leaves no diff)
	@$(LINTER) fmt --diff || { echo "The Go files are not formatted. Run: make fmt" >&2; exit 1; }

tidy-check:
	$(call heading,go mod tidy leaves no diff)
	$(call each,$(GO) mod tidy -diff || { echo "go.mod or go.sum is not tidy. Run: make tidy" >&2; exit 1; })

# It compiles all packages and their tests, and links none. To vet them here would analyze all
# dependencies once more, which lint has done.
standalone:
	$(call heading,every module builds without go.work)
	$(call each,GOWORK=off $(GO) list -test -export ./... >/dev/null)

quickstart:
	$(call heading,the README's first command)
	@$(GO) run ./examples/quickstart
