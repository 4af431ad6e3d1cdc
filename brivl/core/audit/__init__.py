"""Checks of a protocol: leakage between folds, nuisance features, scores of invalid procedures."""
