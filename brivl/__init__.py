"""BriVL explorer: multimodal and unimodal models compared as encoding models of the brain."""

__version__ = "0.1.0"
