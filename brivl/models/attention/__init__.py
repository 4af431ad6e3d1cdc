"""Explanations of what the two streams of BriVL attend to."""
