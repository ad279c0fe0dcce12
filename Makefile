# The two commands a newcomer needs: `make demo` and `make test`. Both do their own set-up.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
TOOLS  := $(VENV)/release/bin
EVERY  ?= 10
CUTS   ?= 200
JOBS   ?= auto

.PHONY: help demo run setup test check lint fmt types bench sim bugs kills sweep power order service planted hostile sample lock clean clients backtests engines beside observe dashboard \
  wheel licences sbom manifests packages image

help:            ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

demo: setup      ## record an embedded Coinbase for 20 seconds and look at the data
	$(BIN)/recorder demo

run: setup       ## record BTC-USD and ETH-USD from Coinbase into ./data (Ctrl-C stops)
	$(BIN)/recorder run

setup: $(VENV)/.ready  ## the virtual environment, from the lock file

# A half-made environment is made again: the mark is written last.
$(VENV)/.ready: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("recorder needs Python 3.11 or newer; this is %d.%d. Try: make PYTHON=python3.12" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q recorder  # as an installed one is: it starts a third faster
	@touch $@

test: setup      ## all tests, on every core (JOBS=1: one after the other)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

check: setup lint types test  ## what CI runs

lint: setup      ## style and mistakes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

fmt: setup       ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup     ## mypy, strict
	$(BIN)/mypy

bench: setup     ## figures of speed and size: ONLY=store for those of the store, LATENCY=1 for receipt to book, ROWS=n for read, LONG=1 for longer runs, PEERS=1 beside others, JSON=file
ifndef PEERS
	$(BIN)/python -m tests.bench $(if $(LATENCY),--only latency) $(if $(ONLY),--only $(ONLY)) $(if $(ROWS),--rows $(ROWS)) $(if $(LONG),--long) $(if $(JSON),--json-lines $(JSON))
else
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	for each in cryptofeed:cryptofeed ccxt_pro:ccxt==4.5.90 nautilus:nautilus_trader==1.221.0 advanced_py:coinbase-advanced-py==1.8.4; do \
	  $(PYTHON) -m venv "$$folder/$${each%%:*}" && \
	  "$$folder/$${each%%:*}/bin/python" -m pip install --quiet --disable-pip-version-check "$${each#*:}" || exit 1; \
	done && \
	if command -v npm >/dev/null; then npm install --silent --prefix "$$folder/tardis" tardis-dev@13.35.3 || exit 1; \
	else echo "no npm: tardis-dev is left out"; fi && \
	$(BIN)/python -m tests.bench --peers "$$folder" $(if $(JSON),--json-lines $(JSON))
endif

sim: setup       ## the recorder in a world of faults, on simulated time: SEEDS=n, SEED=n to play one again
	$(BIN)/python -m tests.sim --seeds $(or $(SEEDS),500) $(if $(SEED),--seed $(SEED) --verbose)

bugs: setup      ## plant bugs in the recorder and see that the simulation notices each
	$(BIN)/python -m tests.sim.planted

kills: setup     ## seeded kills and restarts: SEEDS=n, KILLS=n at 2,000 frames/s, SEED=n to play one again
	$(BIN)/python -m tests.simulate --seeds $(or $(SEEDS),50) $(if $(SEED),--seed $(SEED)) $(if $(KILLS),--kills $(KILLS) --rate 2000)

sweep: setup     ## fail every file-system call of the store and of the daemon: EVERY=n for each nth only
	$(BIN)/python -m tests.sweep --every $(EVERY)

power: setup     ## cut the power under the writer: CUTS=n (root, loop mounts)
	$(BIN)/python -m tests.power --cuts $(CUTS)

order: setup     ## is everything synced before it is renamed? (strace)
	$(BIN)/python -m tests.order

hostile: setup   ## spoilt frames through the core: FRAMES=n (1,000,000)
	$(BIN)/python -m tests.hostile $(if $(FRAMES),--frames $(FRAMES))

service: $(VENV)/release/.ready  ## units and packages in containers with a real systemd: DEBIAN=13, ONLY="ready reload" (root)
	$(BIN)/python -m tests.systemd --nfpm $(abspath $(TOOLS))/nfpm $(if $(DEBIAN),--debian $(DEBIAN)) $(if $(ONLY),--only $(ONLY))

observe: setup   ## every expression of rules and dashboard, asked of a real Prometheus (Debian: prometheus)
	$(BIN)/python -m tests.observe

planted: setup   ## plant bugs in the store and see that each is caught
	$(BIN)/python -m tests.planted

sample: setup    ## make data/sample again
	$(BIN)/python -m tests.sample

# Each client has dependencies of its own that fit nobody else's, so each gets an environment.
clients: setup   ## clients of others listen to a replay: Coinbase's own and ccxt, from PyPI
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	for each in advanced_py:coinbase-advanced-py==1.8.4 ccxt_pro:ccxt==4.5.90; do \
	  $(PYTHON) -m venv "$$folder/$${each%%:*}" && \
	  "$$folder/$${each%%:*}/bin/python" -m pip install --quiet --disable-pip-version-check "$${each#*:}" || exit 1; \
	done && RECORDER_CLIENTS="$$folder" $(BIN)/python -m pytest tests/test_clients.py

backtests: setup ## packages of others read our exports: hftbacktest and NautilusTrader, from PyPI
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	for each in hftbacktest:hftbacktest==2.4.4 nautilus:nautilus_trader==1.221.0; do \
	  $(PYTHON) -m venv "$$folder/$${each%%:*}" && \
	  "$$folder/$${each%%:*}/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: "$${each#*:}" || exit 1; \
	done && RECORDER_BACKTESTS="$$folder" $(BIN)/python -m pytest tests/test_backtests.py

# PySpark has no wheel; the others must not be built.
engines: setup   ## engines of others read sealed files by the recipes: Spark, Dask, Ray, Iceberg, DuckLake, Delta, from PyPI
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	for each in spark:pyspark==4.3.0 'dask:dask[dataframe]==2026.8.0' 'ray:ray[data]==2.60.0 aiohttp==3.14.5' \
	  'iceberg:pyiceberg[pyarrow,sql-sqlite]==0.12.0' 'delta:deltalake==1.6.6 pyarrow==26.0.1' \
	  'ducklake:duckdb==1.5.5 duckdb-extensions==1.5.5 duckdb-extension-ducklake==1.5.5 pytz==2026.6'; do \
	  $(PYTHON) -m venv "$$folder/$${each%%:*}" && \
	  "$$folder/$${each%%:*}/bin/python" -m pip install --quiet --disable-pip-version-check \
	    --only-binary :all: --no-binary pyspark $${each#*:} || exit 1; \
	done && RECORDER_ENGINES="$$folder" $(BIN)/python -m pytest tests/test_engines.py

# Chromium is Debian's package; axe-core, which looks for barriers, comes from npm and is what it was.
AXE = axe-core-4.12.1.tgz
AXE_SHA256 = 4341a01268b5ecbea826f3c7a7d1d69280a2cab3484c93e1bf4c9554460c6ca0

dashboard: setup ## the dashboard in a real Chromium (apt install chromium npm): SHOTS=folder for pictures
	@if ! command -v chromium >/dev/null || ! command -v npm >/dev/null; then \
	  echo "dashboard: not tested, there is no chromium or no npm (apt install chromium npm)"; exit 0; fi; \
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	(cd "$$folder" && npm pack --silent axe-core@4.12.1 >/dev/null && \
	  echo "$(AXE_SHA256)  $(AXE)" | sha256sum --check --quiet && tar -xf $(AXE)) && \
	RECORDER_AXE="$$folder/package" RECORDER_SHOTS="$(SHOTS)" $(BIN)/python -m pytest -n 0 tests/http/test_dashboard.py

# The bench, and what others make of the same data.
beside: setup    ## exports and replay beside hftbacktest, NautilusTrader and polars-order-book, from PyPI: ROWS=n
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	for each in hftbacktest:hftbacktest==2.4.4 nautilus:nautilus_trader==1.221.0 \
	  'plugin:polars-order-book==0.4.5 polars==2.1.0'; do \
	  $(PYTHON) -m venv "$$folder/$${each%%:*}" && \
	  "$$folder/$${each%%:*}/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: $${each#*:} || exit 1; \
	done && RECORDER_BESIDE="$$folder" $(BIN)/python -m tests.bench --only export $(if $(ROWS),--rows $(ROWS))

# The tools that only a release needs are beside the environment, not in it.
$(VENV)/release/.ready: $(VENV)/.ready requirements-release.lock
	rm -rf $(VENV)/release
	$(PYTHON) -m venv $(VENV)/release
	$(TOOLS)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-release.lock
	@touch $@

wheel: setup     ## the wheel into dist/, built twice: the bytes must be the same
	$(BIN)/python -m release.wheel

licences: setup  ## what is locked, by which licence; fails at one that nobody reviewed
	$(BIN)/python -m release.licences

sbom: $(VENV)/release/.ready  ## the bill of materials into dist/, held against CycloneDX's schema
	$(BIN)/python -m release.sbom
	$(TOOLS)/python -m release.sbom --check dist/recorder-*.cdx.json

manifests: $(VENV)/release/.ready  ## lint the image's description, the packages' scripts, the Kubernetes manifests
	$(TOOLS)/python -m release.manifests --tools $(TOOLS)

# A wheel is unpacked and not run, so that packages for every Python can be made by any.
packages: wheel $(VENV)/release/.ready  ## .deb and .rpm into dist/: TARGET="debian-12 debian-13 el"
	$(BIN)/python -m release.packages --nfpm $(abspath $(TOOLS))/nfpm $(if $(TARGET),--target $(TARGET))

image: wheel     ## the OCI image, by buildah: TAG=recorder, BASE=image@sha256:…
	buildah build --format docker --layers=false $(if $(BASE),--build-arg BASE=$(BASE)) --file deploy/Containerfile --tag $(or $(TAG),recorder) .

lock:            ## resolve the dependencies anew (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --custom-compile-command "make lock" --extra pandas --extra polars --extra picows --extra plots --extra s3 --group dev pyproject.toml -o requirements-dev.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --custom-compile-command "make lock" -c requirements-dev.lock pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --custom-compile-command "make lock" --group release -o requirements-release.lock

clean:           ## remove the environment and what tools left; never the data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
