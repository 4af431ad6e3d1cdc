"""Caption: what two captioners say of a picture, and what they look at with each word."""

from __future__ import annotations

from brivl.analyses.captioning.page import captions_page

captions_page()
