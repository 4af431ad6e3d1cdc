"""Training of BriVL and of its visual encoder."""
