"""Encoders whose layers are compared with brain responses, one file per family."""
