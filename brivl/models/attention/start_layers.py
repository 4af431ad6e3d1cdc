"""Default start layers of relevance maps, of the image and of the text stream; light, so that pages import them."""

from __future__ import annotations

# Best on validation scenes (brivl.train.attention_evaluation); in the text all layers do equally well.
IMAGE_START, TEXT_START = 6, 1
