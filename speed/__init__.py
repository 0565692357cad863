"""The speed benchmark: this package's trainer beside the `Trainer` of transformers, and the score of the latter."""
