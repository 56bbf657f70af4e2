# FlatTraffic. `make` alone lists what exists.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X github.com/flattraffic/flattraffic/cli.buildVersion=$(VERSION)
ENGINE  := clickhouse/engine
TOOL    := $(GO) tool -modfile=tools/go.mod
FLAGS   ?=

# The embedded ClickHouse: which npm package holds it for this machine.
ARCH    := $(patsubst aarch64,arm64,$(patsubst x86_64,x64,$(shell uname -m)))
OS      := $(shell uname -s | tr A-Z a-z)
PACKAGE := $(ENGINE)/node_modules/@chdb/lib-$(OS)-$(ARCH)$(if $(filter linux,$(OS)),-gnu)
STAMP   := bin/engine/.stamp

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: build ## build and run everything: http://127.0.0.1:8080, NetFlow/IPFIX on UDP 2055 and 4739, sFlow on 6343, data in ./data
	bin/flattraffic up $(FLAGS)

.PHONY: build
build: engine ## build bin/flattraffic, with the embedded ClickHouse beside it
	@echo "building bin/flattraffic"
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/flattraffic ./cli/flattraffic

.PHONY: engine
engine: $(STAMP) ## fetch the embedded ClickHouse (once; pinned in clickhouse/engine/package-lock.json)

$(STAMP): $(ENGINE)/package-lock.json
	@echo "fetching the embedded ClickHouse (178 MB, once) ..."
	@npm ci --prefix $(ENGINE) --no-audit --no-fund --loglevel=error --progress=false
	@rm -rf bin/engine && mkdir -p bin/engine
	@ln $(PACKAGE)/libchdb.so bin/engine/libchdb.so 2>/dev/null || cp $(PACKAGE)/libchdb.so bin/engine/libchdb.so
	@touch $@ && echo "the embedded ClickHouse is in bin/engine"

.PHONY: test
test: engine ## run all tests against a real ClickHouse
	$(GO) test -timeout 30m ./...

.PHONY: race
race: engine ## run all tests with the race detector
	$(GO) test -race -timeout 60m ./...

.PHONY: journeys
journeys: build ## browser journeys in headless Chromium (Debian package chromium)
	@npm ci --prefix tools/journeys --no-audit --no-fund --loglevel=error
	node --test tools/journeys/

.PHONY: screenshots
screenshots: build ## rewrite docs/screenshots from the made-up household
	@npm ci --prefix tools/journeys --no-audit --no-fund --loglevel=error
	tools/on-demo.sh screenshots

.PHONY: lighthouse
lighthouse: build ## Lighthouse on overview and hosts with years of data, on a machine that does nothing else (not in CI: load moves its figures)
	@npm ci --prefix tools/journeys --no-audit --no-fund --loglevel=error
	tools/on-demo.sh lighthouse

.PHONY: lab
lab: build ## real exporters in network namespaces against interface counters; a UDP balancer (root; Debian: softflowd pmacct iperf3 iproute2 iputils-ping ethtool curl python3 nftables)
	$(GO) test -tags lab -count=1 -v -run 'Softflowd|SFlow|Balancer' ./cli

EXECS ?= 1000000
.PHONY: fuzz
fuzz: ## fuzz every path of a datagram, bounded and counted: EXECS=50000000 in all, WORKERS=2 at a time
	@tools/fuzz.sh $(EXECS) $(WORKERS)

.PHONY: chaos
chaos: engine ## kill -9 ClickHouse 300 times and the ingest 100 times under 20,000 flows/s, and compare everything (about 25 minutes)
	FLATTRAFFIC_CHAOS_CLICKHOUSE=$(or $(CLICKHOUSE_KILLS),300) FLATTRAFFIC_CHAOS_INGEST=$(or $(INGEST_KILLS),100) FLATTRAFFIC_CHAOS_RATE=$(or $(RATE),20000) \
		$(GO) test ./ingest -run TestChaos -count=1 -v -timeout 2h

.PHONY: cluster-test
cluster-test: engine ## two shards: the same rows and reports as on one server, and each killed again and again under load
	FLATTRAFFIC_CLUSTER_REPORTS=all FLATTRAFFIC_CHAOS_CLUSTER=$(or $(KILLS),40) FLATTRAFFIC_CHAOS_RATE=$(or $(RATE),10000) $(GO) test ./cluster ./ingest ./imports ./cli -run 'Membership|Grow|ShardOf|ReportsAre|Cluster' -count=1 -v -timeout 1h

.PHONY: outage
outage: engine ## ClickHouse away for 10 minutes at 5,000 flows/s, then back: exact, and how fast it drains
	FLATTRAFFIC_OUTAGE_SECONDS=$(or $(SECONDS),600) FLATTRAFFIC_OUTAGE_RATE=$(or $(RATE),5000) $(GO) test ./ingest -run TestOutage -count=1 -v -timeout 1h

.PHONY: flood
flood: engine ## 60 s of garbage, fuzzed and forged datagrams at line rate against an ingest of at most 2 GB, real flows among them
	FLATTRAFFIC_FLOOD_SECONDS=$(or $(SECONDS),60) $(GO) test ./ingest -run TestFlood -count=1 -v -timeout 1h

.PHONY: compose-test
compose-test: engine ## the compose files for real, killed and restarted while flows come in (root; Debian: docker.io iproute2 util-linux wget)
	$(GO) build -C tools/compose -trimpath -ldflags '-s -w' -o ../../bin/docker-compose github.com/docker/compose/v2/cmd
	COMPOSE=$(CURDIR)/bin/docker-compose $(GO) test -tags compose -count=1 -timeout 30m -v ./deployments/trial

.PHONY: backup-test
backup-test: engine ## backup and restore: the same totals, under ingest too
	$(GO) test -count=1 -v -run 'Restored|Backup' ./backup

.PHONY: upgrade-test
upgrade-test: engine ## a backup of every schema there has been, upgraded: the same totals
	$(GO) test -count=1 -v -run Upgrade ./backup

.PHONY: release
release: ## build deb, rpm, tar, SBOM and checksums into dist (VERSION=1.2.3 ARCHES="amd64 arm64" ENGINES=amd64)
	tools/release.sh dist

.PHONY: release-test
release-test: ## build a release twice and compare the bytes
	ARCHES=amd64 ENGINES= VERSION=0.0.1 tools/release.sh bin/release/first
	ARCHES=amd64 ENGINES= VERSION=0.0.1 tools/release.sh bin/release/second
	cmp bin/release/first/SHA256SUMS bin/release/second/SHA256SUMS && cat bin/release/second/SHA256SUMS

.PHONY: package-test
package-test: engine ## install, upgrade, run and remove deb and rpm in a fresh Debian, and under systemd; rate the units (root; Debian: debootstrap rpm systemd-container)
	ARCHES=amd64 ENGINES= VERSION=0.0.1 tools/release.sh bin/release/first
	ARCHES=amd64 ENGINES= VERSION=0.0.2 tools/release.sh bin/release/next
	OLD=$(CURDIR)/bin/release/first NEW=$(CURDIR)/bin/release/next $(GO) test -tags packages -count=1 -v ./deployments/packages

.PHONY: lint
lint: ## lint; the layers of the house are checked here too
	$(TOOL) golangci-lint run ./...

.PHONY: vuln
vuln: ## look for known vulnerabilities (VULNDB=URL names another copy of the database)
	@tools/vuln.sh $(VULNDB)

.PHONY: golden
golden: engine ## rewrite the golden files and the generated documentation
	$(GO) test ./backup ./charts ./report ./schema ./ingest/decode -update

.PHONY: check
check: lint vuln test ## what CI runs, but the browser journeys

.PHONY: bench
bench: build ## rewrite docs/benchmarks.md: an hour on a quiet machine, 20 GB in ./bench.data (Debian: nfdump clickhouse-client); BENCH="-only ingest" for a part
	$(GO) run ./bench $(if $(BENCH),$(BENCH),-out docs/benchmarks.md)

.PHONY: clean
clean: ## remove what was built (not ./data)
	rm -rf bin $(ENGINE)/node_modules
