"""Regions of the brain: atlas tables, comparison of models by region, variance partitioning."""
