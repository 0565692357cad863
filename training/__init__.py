"""The one trainer: batches, the loop, prediction. It knows the contract of a task and no task by name."""
