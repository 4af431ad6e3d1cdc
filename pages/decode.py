"""Decode: from responses back to what was seen or read."""

from __future__ import annotations

from brivl.analyses.decoding.page import decode_page

decode_page()
