# `make check` is what CI runs after installing: tests, lint, format and types.
.PHONY: check lint test slow cluster reliability leaderboard lock dist docs

check: lint test

lint:
	ruff format --check .
	ruff check .
	pyright

test:
	pytest

slow:
	pytest -m slow

# Clusters of Ray and Slurm that run on this machine.
cluster:
	pytest -m cluster

reliability:
	pytest -m "slow or not slow" -s tests/end_to_end/test_survival.py tests/end_to_end/test_concurrent_writers.py \
		tests/corpora/test_fuzz.py tests/models/test_hostile.py tests/training/test_resuming.py

# The committed leaderboard, from the committed results. A test fails when it is stale.
leaderboard:
	linkbert leaderboard --format html --output results/leaderboard.html
	linkbert leaderboard --published all --detail --format markdown --output results/leaderboard.md

# The exact versions of all packages that linkbert needs, for Python 3.11. torch is the wheel of PyPI: on Linux the one
# with CUDA, which also runs on machines without a GPU. `make lock UPGRADE=--upgrade` takes the newest versions; without
# it, those in the file stay where they fit.
lock:
	uv pip compile pyproject.toml --quiet --no-config --universal --python-version 3.11 --fork-strategy fewest \
		--generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		--output-file requirements.lock $(UPGRADE)

# The sdist, and the wheel that is built from it, in dist/. They are built from a copy of the last commit, so that
# nothing else in this folder gets in.
dist:
	rm -rf dist
	copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && git archive --output "$$copy/source.tar" --prefix source/ HEAD \
		&& tar -x -f "$$copy/source.tar" -C "$$copy" && python -m build --outdir dist "$$copy/source"
	python -m twine check --strict dist/*

# The documentation as a website, in site/. A broken link or a docstring that cannot be read is an error.
docs:
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet
