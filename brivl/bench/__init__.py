"""Benchmarks of solver, memory, search, pages and sessions."""
