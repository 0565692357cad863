"""Pretraining with document links: corpora that are graphs, pairs of segments, the objective, and its training."""
