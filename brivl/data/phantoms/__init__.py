"""Simulated datasets (phantom-*): stimuli, planted effects, responses."""
