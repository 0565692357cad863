# `make check` is what CI runs after installing: tests, lint, format and types.
.PHONY: check lint test slow reliability leaderboard docs

check: lint test

lint:
	ruff format --check .
	ruff check .
	pyright

test:
	pytest

slow:
	pytest -m slow

reliability:
	pytest -m "slow or not slow" -s tests/end_to_end/test_survival.py tests/end_to_end/test_concurrent_writers.py \
		tests/corpora/test_fuzz.py tests/models/test_hostile.py tests/training/test_resuming.py

# The committed leaderboard, from the committed results. A test fails when it is stale.
leaderboard:
	linkbert leaderboard --format html --output results/leaderboard.html
	linkbert leaderboard --published all --detail --format markdown --output results/leaderboard.md

# The documentation as a website, in site/. A broken link or a docstring that cannot be read is an error.
docs:
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet
