"""Aligned: an encoder trained with descriptions of the pictures."""

from __future__ import annotations

from brivl.app.aligned_view import aligned_page

aligned_page()
