"""Encoders that are trained to predict responses and to match descriptions of the images (LLM-VEM)."""
