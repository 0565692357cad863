"""Suites of the benchmark: which runs they need, and how these are run."""
