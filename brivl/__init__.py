"""BriVL explorer: which model, which layer, which region?"""

__version__ = "0.1.0"
