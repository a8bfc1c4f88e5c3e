# One target per verb. `make run` and `make test` set up what they need.

GO ?= go
BIN := bin
SOURCE := $(wildcard *.go) cmd internal catalogs dashboards

# The race detector needs cgo, and therefore a C compiler. Without one the tests run without it.
RACE := $(shell command -v gcc >/dev/null 2>&1 && echo -race)

# DWARF is for debuggers. Panics, profiles and the race detector do without it, and the compiler
# takes an eighth less CPU. Set for all targets and for the tests that build programs, so that they
# share what is compiled.
export GOFLAGS += -gcflags=all=-dwarf=false

# How tests run. Most of them wait for servers, so more run at once than there are cores. lint vets
# the packages. At exit the race detector would sleep for a second in each process. A compiler that
# collects its garbage less often takes a seventh less CPU; the programs under test do not do so.
TEST := CGO_ENABLED=$(if $(RACE),1,0) GORACE=atexit_sleep_ms=0 $(GO) test -toolexec "env GOGC=400 GOMEMLIMIT=2GiB" $(RACE) -vet=off -p 3 -parallel 4

build lint: export GOGC := 400
build lint: export GOMEMLIMIT := 2GiB

# stacktest fetches the servers while the other packages are compiled. Then come the packages that
# take longest, so that none of them runs alone at the end.
FIRST := ./internal/stack/stacktest ./cmd/report ./internal/delivery ./internal/report ./internal/store

.PHONY: build run test prove lint fmt fuzz bench microbench chaos clean

# build, lint and the tests that build programs compile with the same settings, so that each package
# is compiled once without the race detector and once with it.
build: ## build the programs into bin/
	CGO_ENABLED=0 $(GO) build -o $(BIN)/ ./cmd/...

run: build ## start the stack, send sample traffic, ingest it and print the top codes; ONCE=1 then stops, ARGS adds flags
	@$(BIN)/stack demo $(if $(ONCE),--once) $(ARGS)

test: build ## run all tests, on a real ClickHouse and a real Kafka
	@$(if $(RACE),,echo "no gcc: the tests run without the race detector")
	$(TEST) -timeout 20m $(FIRST) ./...

# One package at a time: the fault tests wait for an ingester under full load to catch up.
prove: ## run the long forms of the model, the mutations, the fault tests and the rollups, without the race detector; see docs/reliability.md
	ERRATA_PROVE=1 CGO_ENABLED=0 $(GO) test -count=1 -vet=off -p 1 -timeout 30m -run 'Model|BrokenRecords|Chaos|Outage' ./internal/delivery ./internal/chaos
	ERRATA_PROVE=1 CGO_ENABLED=0 $(GO) test -count=1 -vet=off -timeout 30m -run 'WhateverHappens|EveryMoment' ./internal/store

lint: ## check what the compiler does not see: format, vet, staticcheck, dead and complex code, imports, wording
	@test -z "$$(gofmt -l $(SOURCE))" || { echo "gofmt would change:"; gofmt -l $(SOURCE); exit 1; }
	CGO_ENABLED=0 $(GO) vet ./...
	CGO_ENABLED=0 $(GO) tool staticcheck ./...
	@dead=$$(CGO_ENABLED=0 $(GO) tool deadcode -test ./...) || exit 1; test -z "$$dead" || { echo "not even a test calls:"; echo "$$dead"; exit 1; }
	@complex=$$(CGO_ENABLED=0 $(GO) tool gocyclo -over 30 $(SOURCE)); test "$$(echo "$$complex" | grep -c .)" -le 5 || { echo "more than 5 functions with a cyclomatic complexity over 30:"; echo "$$complex"; exit 1; }
	CGO_ENABLED=0 $(GO) test -count=1 -vet=off .

fmt: ## format the code
	gofmt -w $(SOURCE)

FUZZTIME ?= 30s
fuzz: ## run each fuzz target for FUZZTIME
	@for package in $$($(GO) list ./internal/...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
		done; \
	done

chaos: ## break everything at random around running ingesters, then count the records: FOR=20m SEED=7 FAULTS=100 RATE=1500 PARSERS=3 REPORT=chaos.json ONLY="kill" OUTAGE=60s; STRICT=1 fails on long pauses
	ERRATA_PROVE=1 ERRATA_CHAOS_STRICT=$(STRICT) ERRATA_CHAOS_FOR=$(FOR) ERRATA_CHAOS_SEED=$(SEED) ERRATA_CHAOS_FAULTS=$(FAULTS) ERRATA_CHAOS_RATE=$(RATE) ERRATA_CHAOS_PARSERS=$(PARSERS) \
	ERRATA_CHAOS_REPORT=$(abspath $(REPORT)) ERRATA_CHAOS_ONLY="$(ONLY)" ERRATA_OUTAGE_FOR=$(OUTAGE) $(GO) test -count=1 -v -timeout 12h -run '^Test(Chaos|Outage)$$' ./internal/chaos

bench: ## measure CPU, memory and bytes from a real Kafka to a real ClickHouse, beside ClickHouse's own Kafka engine: COUNT=2000000 ERRORS=8 BODY=150 CODEC=lz4 PARTITIONS=8 FORMAT=apisix ARRAY=1 TENANTS=500 ROUTES=20 CODES=300 INGESTERS=1 SHARE=50 (percent of a core for each) ENGINE=0 REPORT=bench.json PROFILE=cpu.pprof; RATES=5000,20000 measures the time from a record to its count at these rates
	ERRATA_BENCH=1 ERRATA_BENCH_COUNT=$(COUNT) ERRATA_BENCH_ERRORS=$(ERRORS) ERRATA_BENCH_BODY=$(BODY) ERRATA_BENCH_CODEC=$(CODEC) ERRATA_BENCH_PARTITIONS=$(PARTITIONS) ERRATA_BENCH_FORMAT=$(FORMAT) \
	ERRATA_BENCH_ARRAY=$(ARRAY) ERRATA_BENCH_TENANTS=$(TENANTS) ERRATA_BENCH_ROUTES=$(ROUTES) ERRATA_BENCH_CODES=$(CODES) ERRATA_BENCH_INGESTERS=$(INGESTERS) ERRATA_BENCH_SHARE=$(SHARE) \
	ERRATA_BENCH_RATES=$(RATES) ERRATA_BENCH_ENGINE=$(ENGINE) ERRATA_BENCH_REPORT=$(abspath $(REPORT)) ERRATA_BENCH_PROFILE=$(abspath $(PROFILE)) CGO_ENABLED=0 $(GO) test -count=1 -v -timeout 2h -run '^Test(Pipeline|Latency)$$' ./internal/bench

microbench: ## run the Go benchmarks, with allocations
	$(GO) test -run '^$$' -bench . -benchmem ./internal/...

clean: ## remove what was built, and the data of the stack
	rm -rf $(BIN) .errata
