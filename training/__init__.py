"""The trainer: batches, training loop, prediction, checkpoints. It knows the contract `Task`, and no task by name."""
