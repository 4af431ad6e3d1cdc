"""Decode: from responses back to what was seen or read."""

from __future__ import annotations

from brivl.app.decode_view import decode_page

decode_page()
