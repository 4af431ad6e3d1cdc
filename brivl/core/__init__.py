"""Computations on arrays, without files, models or pages."""
