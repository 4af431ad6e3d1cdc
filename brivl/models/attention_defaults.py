"""From which layer on attention is added up, unless one asks for another."""

from __future__ import annotations

# Best on validation scenes (brivl.train.attention_evaluation); in the text all layers do equally well.
IMAGE_START, TEXT_START = 6, 1
