"""Encoders, captioners and generators: their architectures, their weights and how they are opened."""
