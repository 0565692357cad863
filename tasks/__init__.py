"""What is learnt: one module per task family, their registry, and the recipes."""
