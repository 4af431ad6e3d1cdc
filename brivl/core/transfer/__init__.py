"""Transfer of encoding models between modalities, and tests against baseline models."""
