"""Encoding models: banded ridge regression of responses on the features of models."""
