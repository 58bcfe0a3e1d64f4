# make demo and make test need nothing but a Debian 12 machine: they install what is missing.
SHELL := /bin/bash
.DEFAULT_GOAL := build

# With this tag the libvirt binding opens libvirt.so.0 when it runs, so that one binary runs with any
# libvirt and builds without its headers.
TAGS := libvirt_dlopen
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
PROGRAM := -trimpath -ldflags '-s -w -X main.version=$(VERSION)'
GO := GOFLAGS='-mod=readonly -tags=$(TAGS)' CGO_ENABLED=1 go
# Each recipe puts the Go that test/install found or fetched first on its PATH.
with = dir=$$(test/install $(1)) && export PATH="$${dir:+$$dir:}$$PATH"
# The tests on real hypervisors make namespaces, which takes root.
EXEC := $(if $(filter-out 0,$(shell id -u)),-exec 'sudo -E')
PURE := ./internal/cluster/... ./analyzer/admission/... ./analyzer/detect/... ./analyzer/plan/... ./analyzer/consolidate/... ./analyzer/forecast/... ./actuator/gate/... ./actuator/trust/... ./actuator/verdict/... ./actuator/recovery/... ./actuator/schedule/...
RACED := $(PURE) ./analyzer/... ./actuator/... ./exporter/... ./internal/virt ./internal/api ./internal/config
FUZZTIME := 20s
# What make bench gives to test/scale beside its defaults, which take three quarters of an hour, 13 GiB of memory and two cores.
SCALE :=
# Numbers of hosts that the stages of a pass are measured on.
GROWTH := 10,30,100,300,1000,2000

.PHONY: help build build-arm64 images generate screenshots deb demo test check lint unit race browser laws deb-test packaging-test chart-test image-test engines engines-test release e2e lab bench fuzz clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t12

build: ## both programs, bin/evenkeel and bin/evenkeel-exporter
	@$(call with,build) && $(GO) build $(PROGRAM) -o bin/evenkeel ./cmd/evenkeel && \
	  $(GO) build $(PROGRAM) -o bin/evenkeel-exporter ./cmd/evenkeel-exporter

build-arm64: ## both programs for arm64, bin/arm64/, with Debian's cross compiler
	@$(call with,build arm64) && export GOARCH=arm64 CC=aarch64-linux-gnu-gcc && for p in evenkeel evenkeel-exporter; do $(GO) build $(PROGRAM) -o bin/arm64/$$p ./cmd/$$p || exit; done

generate: ## the dashboards' files, from what dashboards/ says, the reference of the configuration, and the console's scripts from npm, as its package-lock.json has it
	@$(call with,test) && $(GO) test ./dashboards ./cmd/evenkeel -run 'Current' -count=1 -update && cd internal/console && \
	  npm ci --ignore-scripts --no-audit --no-fund >&2 && cp node_modules/htmx.org/dist/htmx.min.js assets/htmx.min.js && cp node_modules/htmx.org/LICENSE assets/htmx.LICENSE && \
	  cp node_modules/uplot/dist/uPlot.iife.min.js assets/uplot.min.js && cp node_modules/uplot/dist/uPlot.min.css assets/uplot.min.css && cp node_modules/uplot/LICENSE assets/uplot.LICENSE

screenshots: build ## every page of the console in both colours, from the demo: bin/screenshots; docs/screenshots has what the README shows
	@$(call with,test) && mkdir -p bin/screenshots docs/screenshots && $(GO) test -count=1 ./cmd/evenkeel -run TestEverybodyCanUseTheConsoleInABrowser -screenshots $(CURDIR)/bin/screenshots && \
	  cp bin/screenshots/overview-light.png bin/screenshots/recommendation-dark.png docs/screenshots/

deb: build ## Debian packages of the exporter and of the server, bin/*_VERSION_amd64.deb
	@$(call with,build) && for p in evenkeel-exporter evenkeel-server; do packaging/debian/build $$p $(VERSION) || exit; done

release: deb build-arm64 ## tarballs of both programs for linux/amd64 and arm64, bin/evenkeel_VERSION_linux_ARCH.tar.gz, packages for arm64, the Helm chart, and SHA256SUMS of it all
	@$(call with,build arm64) && for p in evenkeel-exporter evenkeel-server; do packaging/debian/build $$p $(VERSION) arm64 || exit; done && packaging/helm/build $(VERSION) && \
	  packaging/release $(VERSION) arm64 && packaging/release $(VERSION) && cd bin && sha256sum *.deb *.tgz >> SHA256SUMS

images: build ## the container images, of the tarball: localhost/evenkeel-server and -exporter; takes buildah and root, or BUILDER=docker
	@packaging/release $(VERSION) && packaging/container/build $(VERSION)

demo: build ## the whole loop on three real libvirt hosts on this machine
	@test/demo

test: lint race unit ## every test, those on real hypervisors included
	@$(MAKE) --no-print-directory deb-test browser # Chromium beside guests that are emulated makes both late
	@$(MAKE) --no-print-directory -j2 e2e besides
	@$(MAKE) --no-print-directory engines-test

.PHONY: besides
besides: laws # what can do with the CPU that the lab leaves over
	@chrt --idle 0 $(MAKE) --no-print-directory packaging-test engines

# -short leaves out what starts servers for a while: etcd, Prometheus, the demo.
check: lint ## format, vet, lint, race on the pure rooms, quick unit tests of the others: before each commit
	@echo 'check: left out is what runs real servers (-short) or needs the lab; make test runs it' >&2
	@$(call with,test) && $(GO) test -race $(PURE) && $(GO) test -short -skip 'InABrowser|TestBuilt' $$(comm -23 <($(GO) list ./... | grep -v /test/ | sort) <($(GO) list $(PURE) | sort)) ./test/checker ./test/peers

lint:
	@$(call with,build) && test -z "$$(gofmt -l . | tee /dev/stderr)" && $(GO) vet ./... && $(GO) tool staticcheck ./...

unit: ## every test that needs neither a hypervisor nor a browser, but for those that race runs
	@$(call with,test) && $(GO) test -parallel 4 -skip 'InABrowser|TestBuilt' $$(comm -23 <($(GO) list ./... | grep -v /test/ | sort) <($(GO) list $(RACED) | sort)) ./test/checker ./test/peers

race: ## the pure rooms and the loops under the race detector
	@$(call with,test) && $(GO) test -race $(RACED)

browser: build ## the console in Chromium, against the demo
	@$(call with,test) && $(GO) test -exec 'nice -n 10' -count=1 -timeout 20m -run InABrowser ./cmd/evenkeel ./internal/console

laws: ## break the laws on purpose: each planted fault must make its test fail. It takes what CPU is left over
	@$(call with,test) && $(GO) test -exec 'chrt --idle 0' -count=1 -parallel 2 -timeout 30m ./test/laws

deb-test: build ## the Debian packages, installed on a minimal Debian that boots for it
	@$(call with,test deb) && $(GO) test $(EXEC) -count=1 -timeout 10m -v ./test/deb

packaging-test: build ## what is handed to people besides: tarballs, programs for arm64, the Helm chart, the Ansible role, images
	@$(call with,build arm64 packaging) && $(MAKE) --no-print-directory build-arm64 && $(GO) test -count=1 -timeout 10m -v ./test/packaging
	@$(MAKE) --no-print-directory -j2 chart-test image-test

chart-test: build
	@$(call with,build) && cd test/packaging/helm && GOFLAGS=-mod=readonly CGO_ENABLED=0 go test -count=1 -timeout 10m -v .

image-test: build
	@$(call with,build packaging) && $(GO) test $(EXEC) -count=1 -timeout 15m -v ./test/packaging/container

# Thanos' own builds keep labels in slices (its .promu.yml); with the other form it reads memory that is none of it.
engines: ## Thanos, Mimir and Jaeger, which Debian does not have, of their modules: bin/engines
	@$(call with,build) && mkdir -p bin/engines && export GOFLAGS=-mod=readonly CGO_ENABLED=0 && \
	  (cd test/engines/thanos && go build -tags slicelabels -ldflags '-s -w' -o ../../../bin/engines/thanos github.com/thanos-io/thanos/cmd/thanos) && \
	  (cd test/engines/mimir && go build -ldflags '-s -w' -o ../../../bin/engines/mimir github.com/grafana/mimir/cmd/mimir) && \
	  (cd test/engines/jaeger && go build -ldflags '-s -w' -o ../../../bin/engines/jaeger github.com/jaegertracing/jaeger/cmd/all-in-one)

engines-test: engines ## evenkeel with Thanos, Mimir and Jaeger
	@$(call with,test) && $(GO) test -count=1 -timeout 10m -v -run TestBuilt ./cmd/evenkeel

e2e: build ## the whole loop on the lab, and the exporter on real Xen
	@$(call with,test demo xen) && $(GO) test $(EXEC) -count=1 -timeout 40m -v ./test/e2e/...

lab: ## the lab's own checks
	@test/install demo >/dev/null && test/lab/labtest

bench: build ## the figures of docs/benchmarks.md; takes root, for the lab. EVENKEEL_PLANETLAB=DIR for its traces. BENCH='-only domains,memory' does without. SCALE='-hosts 50 -vms 1000 -window 1m -duration 2m' and GROWTH=10,100 are shorter
	@$(call with,test demo) && test/install packages prometheus-libvirt-exporter ganeti-htools >&2 && \
	  $(GO) test -run '^$$' -bench . -benchmem ./analyzer/admission ./analyzer/consolidate ./analyzer/plan ./exporter ./internal/api ./internal/console ./cmd/evenkeel && $(GO) test -run '^$$' -bench Append -benchtime 2000x ./actuator/etcdstore && \
	  { test -z "$$EVENKEEL_PLANETLAB" || $(GO) test -tags '$(TAGS) bench' -count=1 -v -run Published ./internal/planetlab; } && \
	  $(GO) test -count=1 -timeout 2h -v -run Days ./internal/year -days 365 -seed 1 && \
	  $(GO) test -count=1 -timeout 2h -v -run 'Days|Thousand' -bench Thousand ./internal/calamity -days 10000 && $(GO) run ./test/peers -clusters 100 $(PEERS) && \
	  $(GO) test -tags '$(TAGS) bench' -count=1 -timeout 1h -v -run GrowthInNumbers ./cmd/evenkeel -growth $(GROWTH) && $(GO) run ./test/scale $(SCALE) && \
	  $(GO) test $(EXEC) -tags '$(TAGS) bench' -count=1 -timeout 40m -v -run InNumbers ./test/e2e && $(GO) run $(EXEC) ./test/bench $(BENCH)

fuzz: ## the decoders of files and requests, for FUZZTIME each
	@$(call with,test) && $(GO) test -run '^$$' -fuzz FuzzDecodeSnapshot -fuzztime $(FUZZTIME) ./internal/cluster && \
	  $(GO) test -run '^$$' -fuzz FuzzRequests -fuzztime $(FUZZTIME) ./internal/api && \
	  $(GO) test -run '^$$' -fuzz FuzzParse -fuzztime $(FUZZTIME) ./internal/config && \
	  $(GO) test -run '^$$' -fuzz FuzzParseDefinition -fuzztime $(FUZZTIME) ./exporter/libvirt && \
	  $(GO) test -run '^$$' -fuzz FuzzFiles -fuzztime $(FUZZTIME) ./exporter/machine && \
	  $(GO) test -run '^$$' -fuzz FuzzDecode -fuzztime $(FUZZTIME) ./actuator/slack && \
	  $(GO) test -run '^$$' -fuzz FuzzNotification -fuzztime $(FUZZTIME) ./actuator/runbook && \
  $(GO) test -run '^$$' -fuzz FuzzParseStamp -fuzztime $(FUZZTIME) ./exporter/heartbeat && \
  $(GO) test -run '^$$' -fuzz FuzzParse -fuzztime $(FUZZTIME) ./exporter/neighbours

clean:
	rm -rf bin
