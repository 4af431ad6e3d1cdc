"""Cache: what is stored, whether it is whole, and making room."""

from __future__ import annotations

from brivl.app.cache import cache_page

cache_page()
