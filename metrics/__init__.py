"""The metrics of the benchmark as `evaluate.Metric` classes; no metric is downloaded from a hub."""

# Importing `evaluate` takes seconds. A task therefore declares its metric by one of these names, and `metrics.scores`,
# which has one class per name, is imported only when predictions are scored.
METRICS = (
    "entity_f1",
    "word_macro_f1",
    "micro_f1",
    "macro_f1",
    "multi_label_micro_f1",
    "pearson",
    "spearman",
    "accuracy",
    "squad_f1",
    "exact_match",
)
