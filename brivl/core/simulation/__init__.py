"""Simulation of brain responses with a known ground truth."""
