# `make check` is what CI runs after installing: tests, lint, format and types.
.PHONY: check lint test slow

check: lint test

lint:
	ruff format --check .
	ruff check .
	pyright

test:
	pytest

slow:
	pytest -m slow
