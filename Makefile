# The lines with ## are what `make help` prints.

TOOL = go tool -modfile=$(CURDIR)/tools/go.mod
# Modules of their own keep what only they need out of the exporter's go.mod.
MODULES = . $(patsubst ./%/go.mod,%,$(shell find . -name go.mod -not -path './go.mod' -not -path './tools/*' -not -path './deploy/helm/*' | sort))
each_module = status=0; for m in $(MODULES); do (cd $$m && $(1)) || status=1; done; exit $$status

.PHONY: help
help: ## list these targets
	@sed -nE 's/^([a-z%-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: demo
demo: ## run the exporter over a simulated organization, on :10289
	go run . demo

.PHONY: build
build: ## build a static binary
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o access-analyzer-exporter .

# The stamp takes its date from the commit, so that the same commit gives the
# same bytes. The version itself is embedded from the file VERSION; outside a
# git checkout nothing else is known.
git = $(shell git $(1) 2>/dev/null)
LDFLAGS = -s -w $(foreach v, \
	Revision=$(call git,rev-parse HEAD)$(if $(call git,status --porcelain --untracked-files=no),-modified) \
	Branch=$(call git,rev-parse --abbrev-ref HEAD) \
	BuildDate=$(call git,log -1 --format=%cI), \
	-X github.com/prometheus/common/version.$(v))

.PHONY: test
test: setup lint test-go ## everything that CI checks

.PHONY: setup
setup: # install or name the programs that the tests drive
	tools/setup

.PHONY: lint
lint: ## formatting, vet, linters and the walls between packages, workflows
	$(call each_module,$(TOOL) golangci-lint run --config $(CURDIR)/.golangci.yml)
	go tool -modfile=tools/actionlint/go.mod actionlint

# Tests skip what needs a program that is not there, unless CI says that
# everything is: after setup it is.
.PHONY: test-go
test-go: ## the tests of every module, under the race detector
	CI=true $(TOOL) gotestsum --format pkgname --raw-command -- \
		sh -c '$(call each_module,go test -json -race ./...)'

.PHONY: fmt
fmt: ## format the code and mend what the linters can mend
	$(call each_module,$(TOOL) golangci-lint run --fix --config $(CURDIR)/.golangci.yml)

.PHONY: generate
generate: ## rewrite what is generated from the code
	$(call each_module,go generate ./...)

.PHONY: vulncheck
vulncheck: ## known vulnerabilities that the code calls (asks vuln.go.dev)
	$(call each_module,$(TOOL) govulncheck ./...)

DRAWS = 100000
.PHONY: test-long
test-long: ## the property tests over DRAWS=100000 random organizations
	PROPERTY_DRAWS=$(DRAWS) go test -count=1 -timeout 0 -run Property ./...

FUZZTIME = 1m
.PHONY: fuzz
fuzz: ## every parser for FUZZTIME=1m
	@status=0; for file in $$(grep -rl --include='*_test.go' '^func Fuzz' collector internal); do \
		for target in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/p' $$file); do \
			echo "$$file: $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) ./$$(dirname $$file) || status=1; \
		done; \
	done; exit $$status

bench-%: ## benchmarks of one package: bench-collector, bench-sweep …
	go test -run '^$$' -bench . -benchmem ./$(firstword $(wildcard $* internal/$*))
