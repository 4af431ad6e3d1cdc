"""Drawn scenes and clips with captions: what they show is known, and they need no download."""
