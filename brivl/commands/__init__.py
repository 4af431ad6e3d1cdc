"""The verbs of the command line that belong to no single analysis."""
