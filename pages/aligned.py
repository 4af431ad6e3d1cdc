"""Aligned: an encoder trained with descriptions of the pictures."""

from __future__ import annotations

from brivl.analyses.alignment.page import aligned_page

aligned_page()
