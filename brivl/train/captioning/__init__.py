"""Training of the captioners."""
