# The lines with ## are what `make help` prints.

TOOL = go tool -modfile=$(CURDIR)/tools/go.mod
# Modules of their own keep what only they need out of the exporter's go.mod.
# Those of DEPLOY, and test/otel, take minutes to build and have targets of their own.
DEPLOY = deploy/helm deploy/packaging
MODULES = . $(filter-out $(DEPLOY) test/otel,$(patsubst ./%/go.mod,%,$(shell find . -name go.mod -not -path './go.mod' -not -path './tools/*' | sort)))
in_each = status=0; for m in $(1); do (cd $$m && $(2)) || status=1; done; exit $$status
LINT = $(TOOL) golangci-lint run --config $(CURDIR)/.golangci.yml
# CI=true makes a test fail, instead of skip, when a program that it runs is not
# installed.
# A machine with other work on it may need longer than go test's ten minutes.
GO_TEST = go test -timeout 25m
TEST = CI=true $(TOOL) gotestsum --format pkgname --raw-command -- sh -c

.PHONY: help
help: ## list these targets
	@sed -nE 's/^([a-z0-9%-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

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

# -short leaves out what waits for real time: CI and make e2e run it.
.PHONY: test
test: setup ## install what the tests run, then run the tests of every module
	@$(call in_each,$(MODULES),$(GO_TEST) -short ./...)

.PHONY: check
check: setup lint test-go ## what CI runs: linters, and all tests under the race detector

.PHONY: setup
setup: ## install the programs that the tests run, as root on Debian or Ubuntu; elsewhere list them
	@tools/setup

.PHONY: lint
lint: ## formatting, vet, linters and import rules, words, workflows
	$(call in_each,$(MODULES),$(LINT))
	go test ./test/words
	go tool -modfile=tools/actionlint/go.mod actionlint

# The race detector makes test/paging take a quarter of an hour, and its concurrency is
# that of Prometheus and Alertmanager.
.PHONY: test-go
test-go: ## the tests of every module, under the race detector where the exporter runs
	$(TEST) 'status=0; ($(call in_each,$(filter-out test/paging,$(MODULES)),$(GO_TEST) -json -race ./...)) || status=1; \
		(cd test/paging && $(GO_TEST) -json ./...) || status=1; exit $$status'

.PHONY: deploy
deploy: iam ## lint and test what deploys it: IAM, Helm chart, packages (the first build takes minutes)
	$(call in_each,$(DEPLOY),$(LINT))
	$(TEST) '$(call in_each,$(DEPLOY),go test -json ./...)'

# The definitions of the operator's resources are made from the types that the
# chart is tested with.
.PHONY: helm-server
helm-server: ## a dry run of the chart on a Kubernetes API server (the first build takes ten minutes)
	mkdir -p bin/kubernetes/crds
	go -C tools/kubernetes build -trimpath -o $(CURDIR)/bin/kubernetes/etcd go.etcd.io/etcd/server/v3
	go -C tools/kubernetes build -trimpath -o $(CURDIR)/bin/kubernetes/kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver
	go -C tools/controller-gen build -trimpath -o $(CURDIR)/bin/kubernetes/controller-gen sigs.k8s.io/controller-tools/cmd/controller-gen
	cd deploy/helm && $(CURDIR)/bin/kubernetes/controller-gen crd output:dir=$(CURDIR)/bin/kubernetes/crds \
		paths=github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1
	cd deploy/helm && KUBERNETES=$(CURDIR)/bin/kubernetes go test -count=1 -v -run TestServerAccepts .

# Without the tag, the collector has the service discovery of every cloud.
.PHONY: otel
otel: ## the demo through the OpenTelemetry Collector of deploy/ecs into Prometheus (the first build takes minutes)
	cd test/otel && go test -count=1 -v -tags remove_all_sd .

.PHONY: e2e
e2e: ## from a disabled analyzer to the page, through real Prometheus and Alertmanager
	FLOOD=1 go test -count=1 -v ./test/e2e

HISTORIES = 10000
.PHONY: paging
paging: ## HISTORIES=10000 random histories through the rules and Alertmanager, in virtual time (hours)
	cd test/paging && PAGING_HISTORIES=$(HISTORIES) go test -count=1 -timeout 0 -v -run 'TestHistories|TestOutageOfADay' .

.PHONY: bench-paging
bench-paging: ## CPU time of the rules that page; ACCOUNTS=10000 for 170 000 targets
	cd test/paging && PAGING_ACCOUNTS=$(or $(ACCOUNTS),1000) go test -count=1 -timeout 0 -v -run TestScale .

# The cost of each query of the dashboards: make views ACCOUNTS=10000
.PHONY: views
views:
	cd test/views && VIEWS_ACCOUNTS=$(or $(ACCOUNTS),1000) go test -count=1 -timeout 0 -v .

.PHONY: browser
browser: ## the map in a real browser
	cd internal/web/browsertest && go test -count=1 -v ./...

.PHONY: fmt
fmt: ## format the code and apply automatic fixes of the linters
	$(call in_each,$(MODULES) $(DEPLOY),$(LINT) --fix)

.PHONY: generate
generate: ## rewrite what is generated from the code
	$(call in_each,$(MODULES),go generate ./...)

.PHONY: iam
iam: ## CloudFormation and Terraform, checked as far as that goes without AWS
	cd deploy/iam && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && node validate.mjs cloudformation/*.yaml ../ecs/cloudformation/*.yaml
	terraform fmt -check -diff -recursive deploy/terraform
	go test -count=1 ./deploy/iam ./deploy/ecs

.PHONY: packages
packages: ## Debian and RPM packages of this machine's architecture, into dist/
	mkdir -p dist
	CGO_ENABLED=0 GOOS=linux go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o dist/access-analyzer-exporter .
	dist=$$PWD/dist && go -C deploy/packaging build -o $$dist/packaging . && dist/packaging dist/access-analyzer-exporter $$(go env GOARCH) $$(cat VERSION) dist

.PHONY: image
image: ## the container image, with docker
	docker build --build-arg VERSION=$$(cat VERSION) --build-arg REVISION=$(call git,rev-parse HEAD) \
		--build-arg BUILD_DATE=$(call git,log -1 --format=%cI) -t access-analyzer-exporter .

.PHONY: image-check
image-check: ## build the image and hold it to what docs/install.md says (docker, podman, or buildah as root)
	tools/check-image

.PHONY: vulncheck
vulncheck: ## known vulnerabilities that the code calls (asks vuln.go.dev)
	$(call in_each,$(MODULES),$(TOOL) govulncheck ./...)

DRAWS = 100000
.PHONY: test-long
test-long: ## the property tests over DRAWS=100000 random organizations
	PROPERTY_SEED=$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ') PROPERTY_DRAWS=$(DRAWS) go test -count=1 -timeout 0 -v -run Property ./test/property ./internal/findings

.PHONY: soak
soak: ## SWEEPS=5000 sweeps with changing faults, and a thousand reloads under load
	SOAK_SWEEPS=$(or $(SWEEPS),5000) go test -count=1 -timeout 0 -v ./test/soak

.PHONY: hostile
hostile: ## ten thousand idle clients, slow ones, and a thousand scrapes at once
	HOSTILE=1 go test -count=1 -v -run TestHostileClients ./test/hostile

FUZZTIME = 1m
.PHONY: fuzz
fuzz: ## every parser for FUZZTIME=1m
	@status=0; for file in $$(grep -rl --include='*_test.go' '^func Fuzz' collector internal); do \
		for target in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/p' $$file); do \
			echo "$$file: $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x ./$$(dirname $$file) || status=1; \
		done; \
	done; exit $$status

# Each prints what was measured beside its limit; docs/design/performance.md has the
# results. ACCOUNTS and SWEEPS make the long ones shorter, or longer.
SCALE = go test -run '^$$' -timeout 0 -benchtime 1x ./test/bench
.PHONY: bench
bench: bench-sweep-cpu bench-scrape bench-calls bench-findings bench-start ## all short benchmarks, with their limits

.PHONY: bench-sweep-wall
bench-sweep-wall: ## a sweep against the least time its calls take: 17 000 targets, 50 ms
	$(SCALE) -bench SweepWall -scale.accounts=$(or $(ACCOUNTS),1000) -scale.latency=50ms -scale.concurrency=256 -scale.sweeps=$(or $(SWEEPS),5)

.PHONY: bench-sweep-cpu
bench-sweep-cpu: ## a sweep against a bare client; ACCOUNTS=10000 for 170 000 targets
	$(SCALE) -bench SweepCPU -scale.accounts=$(or $(ACCOUNTS),1000) -scale.concurrency=64 -scale.sweeps=$(or $(SWEEPS),5)

.PHONY: bench-enter
bench-enter: ## assume_role.enter: uncovered against always
	$(SCALE) -bench Enter -scale.accounts=$(or $(ACCOUNTS),1000) -scale.sweeps=$(or $(SWEEPS),5)

.PHONY: bench-memory
bench-memory: ## resident memory at 170 000 targets; SWEEPS=100 takes half an hour or more
	$(SCALE) -bench Memory -scale.accounts=$(or $(ACCOUNTS),10000) -scale.sweeps=$(or $(SWEEPS),5)

.PHONY: bench-scrape
bench-scrape: ## a scrape against net/http serving the same bytes, and against const metrics
	go test -run '^$$' -bench Scrape -benchtime 200x ./collector
	go test -run '^$$' -bench ConstMetrics -benchtime 10x ./collector

.PHONY: bench-calls
bench-calls: ## calls of a sweep, by operation
	$(SCALE) -bench Calls -scale.accounts=$(or $(ACCOUNTS),100) -scale.sweeps=$(or $(SWEEPS),5)

.PHONY: bench-labels
bench-labels: ## calls of half a day without and with labels of accounts, in virtual time; ACCOUNTS=10000 takes many minutes
	go test -count=1 -timeout 0 -v -run CallsOfLabels ./test/bench -args -scale.labeled=$(or $(ACCOUNTS),1000)

.PHONY: bench-time
bench-time: ## discovery and sweeps of a large organization, in virtual time; ACCOUNTS=10000 takes half an hour
	go test -count=1 -timeout 0 -v -run SweepsOnTime ./test/bench -args -scale.timed=$(or $(ACCOUNTS),1000) -scale.timed-for=65m -scale.timed-concurrency=$(or $(CONCURRENCY),64)

.PHONY: bench-findings
bench-findings: ## ten changes among 100 000 findings, against listing them all
	go test -run '^$$' -bench Findings ./internal/findings

.PHONY: bench-start
bench-start: ## from start to open port and to ready
	$(SCALE) -bench Start -scale.accounts=1 -scale.latency=50ms

.PHONY: bench-peers
bench-peers: ## one account with 17 Regions at 50 ms: the audit, and a loop over the AWS CLI
	$(SCALE) -bench Peers -scale.accounts=1 -scale.latency=50ms

.PHONY: bench-growth
bench-growth: ## the table of how cost grows, for 1 to 10 000 accounts
	for n in 1 10 100 1000 10000; do $(SCALE) -bench Growth -scale.accounts=$$n -scale.sweeps=$(or $(SWEEPS),3) | grep '^|' || exit 1; done

CHANGES = 1000
.PHONY: bench-events
bench-events: ## from a change in AWS to /metrics, over CHANGES=1000 changes, and what a burst of events costs
	CHANGES=$(CHANGES) go test -count=1 -timeout 0 -v -run TestEvents ./test/events

bench-%: ## benchmarks of one package: bench-collector, bench-coverage …
	go test -run '^$$' -bench . -benchmem ./$(firstword $(wildcard $* internal/$*))
