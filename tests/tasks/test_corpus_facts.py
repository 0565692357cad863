"""The committed numbers about the test sets are those of the corpora."""
