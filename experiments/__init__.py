"""One run, from the request to the stored result: options, plan, identity, run folder, training, scoring, results."""
