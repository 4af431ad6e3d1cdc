"""Retrieval: pictures and videos found by text, by picture, and by sums of them."""

from __future__ import annotations

from brivl.analyses.retrieval.page import retrieve_page

retrieve_page()
