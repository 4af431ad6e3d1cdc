"""Training of the generator, its prior, and the scene classifier."""
