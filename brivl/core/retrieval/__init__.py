"""Search in embedding spaces: exact and approximate neighbours, recall, queries."""
