"""Pereira et al. (2018): reading the published files, and simulated files in the same form."""
