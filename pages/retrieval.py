"""Retrieval: images and videos found by text, by image, and by sums of them."""

from __future__ import annotations

from brivl.analyses.retrieval.page import retrieval_page

retrieval_page()
