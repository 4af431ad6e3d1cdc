"""Decoding of stimuli from brain responses: ridge regression and identification among candidates."""
