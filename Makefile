# aduan24: `make up` starts everything, `make test` tests everything. `make help` lists the rest.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help up test endurance bench lighthouse check format prompts speech lock clean venv parts dev

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 18

up: venv parts ## start everything here; Ctrl-C stops it (ARGS="--no-demo" and the like)
	@exec .venv/bin/aduan24 up $(ARGS)

test: dev parts check ## the gates, then every test (ARGS="tests/unit -k flow")
	@exec deploy/test.sh $(ARGS)

endurance: dev parts ## the full figures, one test after the other: hundreds of kills and calls, minutes each (ARGS="tests/line")
	@exec .venv/bin/pytest -m endurance -s $(ARGS)

bench: dev ## ours beside its peers and its limits, as ratios (ARGS="--only agi --rounds 5")
	@deploy/venv.sh requirements-bench.lock
	@if [ -x deploy/parts.sh ]; then deploy/parts.sh; deploy/parts.sh --bench; fi
	@exec .venv/bin/python -m tests.bench $(ARGS)

lighthouse: dev ## Lighthouse over the officer's pages (needs npm and Chromium)
	@exec .venv/bin/pytest -m endurance -s -p no:xdist tests/web/test_lighthouse.py $(ARGS)

check: dev ## the gates alone: style, types, arrows, migrations equal models
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/mypy --no-error-summary
	@said=$$(.venv/bin/lint-imports 2>&1) || { echo "$$said"; exit 1; }
	@.venv/bin/python -m callcenter.store.migrate --check
	@echo "check: style, types, arrows and migrations are in order"

format: dev ## put the code into its form
	@.venv/bin/ruff check --quiet --fix . ; .venv/bin/ruff format --quiet .

prompts: venv parts ## make the sound files again from ivr/prompts.toml
	@.venv/bin/python -m ivr.prompts make

speech: ## get what speech to text needs (some 300 MB); the model is yours: speech.model in config.yaml
	@deploy/venv.sh requirements-speech.lock

lock: ## write the lock files again from pyproject.toml (needs uv)
	@deploy/lock.sh

clean: ## remove what was made: environment, system parts, caches (never var/ or recordings/)
	@rm -rf .venv .parts build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache \
		.hypothesis .import_linter_cache test-artifacts
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

venv:
	@deploy/venv.sh requirements.lock

dev:
	@deploy/venv.sh requirements-dev.lock

parts:
	@if [ -x deploy/parts.sh ]; then deploy/parts.sh; fi
