"""Where examples come from: readers of the original formats, download, prepare, verify, and the synthetic corpus."""
