"""Encoding models of a dataset: fits, their tests and summaries, from the cache or computed."""
