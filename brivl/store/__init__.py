"""The cache: results on disk by key, with locks, verification and eviction."""
