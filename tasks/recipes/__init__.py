"""The recipes as data: `base.toml` and `large.toml` are published, `small.toml` is ours."""
