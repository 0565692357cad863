"""One `evaluate.Metric` per score, each resting on seqeval, scikit-learn or scipy; none is loaded from a hub."""

# Importing `evaluate` takes seconds, so tasks name a metric by one of these and it is made on first use.
METRICS = ("entity_f1", "word_macro_f1", "micro_f1", "multi_label_micro_f1", "pearson", "accuracy")
