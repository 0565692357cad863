"""Presets, safe loading, and the heads of the five kinds."""
