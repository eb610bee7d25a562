# Every target sets up what it needs by itself (tools/setup) and leaves a .venv that can import logflume.

#   make demo [FILE=any.log]          the main job on real data
#   make check                        lint, types, unit tests: before every commit
#   make test [ARGS=...]              all tests but those of the next two
#   make test-peers                   against a real Kafka (Java, Maven)
#   make test-engines                 with Spark, Flink, Storm (over a gigabyte is fetched)
#   make bench, bench-quick           benchmarks, and docs/benchmarks.md; a look, nothing written
#   make bench-broker, bench-agent    beside a real Kafka; beside a real Flume
#   make wheel                        a wheel, repaired and tried in an empty environment
#   make sanitize                     tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   make races [SECONDS=20]           the core's threads under ThreadSanitizer
#   make fuzz [SECONDS=60]            any bytes as batches, codecs' data, directories, requests
#   make soak [SECONDS=600]           random histories of transactions, with kills, until one is wrong
#   make soak-broker [SECONDS=600]    a broker under load, with kills of it and its clients
#   make soak-agent [KILLS=100]       agents that are killed, from each source into each sink
#   make tidy                         format, imports, and all that tools write from the code
#   make setup                        nothing but what all of them need: .venv, packages, the native build
#   make clean, distclean             build products; .venv, too

PY := .venv/bin/python
PYTEST := $(PY) -m pytest
ARGS ?=

.PHONY: help demo test check bench bench-quick bench-agent bench-broker wheel test-peers test-engines sanitize races fuzz soak soak-broker soak-agent setup tidy clean distclean

help:
	@sed -n 's/^#   //p' Makefile

demo:
	@tools/setup cli $(if $(FILE),,demo)
	$(PY) examples/flights_demo.py $(if $(FILE),--file "$(FILE)") $(ARGS)

test:
	@tools/setup test check
	$(PYTEST) -m "not peers and not engines" $(ARGS)

check:
	@tools/setup test check
	$(PYTEST) -m "not peers and not engines and not slow" tests/static tests/unit tests/test_rooms.py $(ARGS)

test-peers:
	@tools/setup test
	timeout --signal=INT --kill-after=30 1800 $(PYTEST) -m peers $(ARGS)

# Not in CI: more than a gigabyte is fetched.
test-engines:
	@tools/setup test
	timeout --signal=INT --kill-after=30 3000 $(PYTEST) -m engines $(ARGS)

# A contest each: logflume, its limit and its peers in turn (bench/README.md). Writes docs/benchmarks.md.
bench:
	@tools/setup test bench
	@$(PY) -m bench --scale=full $(ARGS)

# A look: small runs, tables on the terminal, nothing written.
bench-quick:
	@tools/setup test bench
	@$(PY) -m bench $(ARGS)

# The broker beside a real Kafka, some ten minutes: docs/benchmarks/broker.md.
bench-broker:
	@tools/setup test bench
	$(PYTEST) bench/test_broker.py --broker --benchmark-only --benchmark-quiet --scale=full --timeout=900 --benchmark-json=build/bench-broker.json $(ARGS)
	$(PY) -m bench.report build/bench-broker.json --page broker

# The agent beside a real Flume (../shared/peers/flume, Java), some ten minutes: docs/benchmarks/agent.md.
bench-agent:
	@tools/setup test bench
	$(PYTEST) bench/test_agent.py --agent --benchmark-only --benchmark-quiet --timeout=900 --benchmark-json=build/bench-agent.json $(ARGS)
	$(PY) -m bench.report build/bench-agent.json --page agent

wheel:
	@tools/setup wheel
	$(PY) tools/try_wheel.py $(ARGS)

# A build of its own beside the usual one; the usual modules are put back afterwards.
sanitize:
	@tools/setup test
	tools/sanitize $(ARGS)

# All kinds of threads on one partition, under ThreadSanitizer (native/races).
races:
	@tools/setup test
	tools/races $(or $(SECONDS),20)

# Each target that many seconds, under ASan and UBSan; libFuzzer where clang has it (native/fuzz). Then damaged
# requests of every API and version (tests/fuzz).
fuzz:
	@tools/setup test
	tools/fuzz $(or $(SECONDS),60) $(ARGS)
	PYTHONPATH=tests $(PY) -m fuzz $(or $(SECONDS),60)

# Histories of writers and readers on all processors, judged (tests/README.md, "Checker"). ARGS="--seed 4711".
soak:
	@tools/setup test
	PYTHONPATH=tests $(PY) -m checker soak $(or $(SECONDS),600) $(ARGS)

# Clients and the broker are killed; at the end every acknowledgement is checked. ARGS=--write keeps the figures.
soak-broker:
	@tools/setup test
	$(PY) -m bench.soak $(or $(SECONDS),600) $(ARGS)

# Agents between all pairs of sources and sinks that know no doubles, so many kills for each.
soak-agent:
	@tools/setup test
	LOGFLUME_AGENT_KILLS=$(or $(KILLS),100) $(PYTEST) tests/crash/test_agent_kills.py -q -s $(ARGS)

setup:
	@tools/setup test check bench wheel

# What a machine can mend.
tidy:
	@tools/setup test check
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .
	tools/manifest
	$(PY) tools/gen_config_docs.py
	$(PY) tools/gen_agent_docs.py
	$(PY) tools/gen_protocol_docs.py

clean:
	rm -rf build dist wheelhouse .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks
	find src tests bench tools -name __pycache__ -prune -exec rm -rf {} +
	rm -f src/logflume/_native/*.so

distclean: clean
	rm -rf .venv
