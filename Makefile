# One target a verb. `make run` and `make test` set up what they need.

GO ?= go
BIN := bin
SOURCE := $(wildcard *.go) cmd internal catalogs dashboards
# The race detector needs cgo, and so a C compiler; without one the tests run all the same.
RACE := $(shell command -v gcc >/dev/null 2>&1 && echo -race)

.PHONY: build run test lint fmt fuzz bench chaos clean

build: ## build the programs into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/ ./cmd/...

run: build ## start the stack, send sample traffic, ingest it and print the top codes; ONCE=1 stops then, ARGS has more flags
	@$(BIN)/stack demo $(if $(ONCE),--once) $(ARGS)

test: build lint ## all tests, on a real ClickHouse and a real Kafka
	@$(if $(RACE),,echo "no gcc: the tests run without the race detector")
	$(if $(RACE),CGO_ENABLED=1,CGO_ENABLED=0) $(GO) test $(RACE) -timeout 20m ./...

lint: ## what the compiler does not see
	@test -z "$$(gofmt -l $(SOURCE))" || { echo "gofmt would change:"; gofmt -l $(SOURCE); exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test -count=1 . # the import graph, and how our texts are written

fmt: ## format the code
	gofmt -w $(SOURCE)

FUZZTIME ?= 30s
fuzz: ## each fuzz target for FUZZTIME
	@for package in $$($(GO) list ./internal/...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
		done; \
	done

chaos: ## break everything at random around running ingesters, then count: FOR=20m SEED=7 FAULTS=100 RATE=1500 PARSERS=3 REPORT=chaos.json ONLY="kill" OUTAGE=60s; STRICT=1 fails on long pauses
	ERRATA_PROVE=1 ERRATA_CHAOS_STRICT=$(STRICT) ERRATA_CHAOS_FOR=$(FOR) ERRATA_CHAOS_SEED=$(SEED) ERRATA_CHAOS_FAULTS=$(FAULTS) ERRATA_CHAOS_RATE=$(RATE) ERRATA_CHAOS_PARSERS=$(PARSERS) \
	ERRATA_CHAOS_REPORT=$(abspath $(REPORT)) ERRATA_CHAOS_ONLY="$(ONLY)" ERRATA_OUTAGE_FOR=$(OUTAGE) $(GO) test -count=1 -v -timeout 12h -run '^Test(Chaos|Outage)$$' ./internal/chaos

bench: ## benchmarks with allocations
	$(GO) test -run '^$$' -bench . -benchmem ./internal/...

clean: ## remove what was built, and the data of the stack
	rm -rf $(BIN) .errata
