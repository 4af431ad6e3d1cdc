"""Captions of images: decoders trained here, and vision-language models of transformers."""
