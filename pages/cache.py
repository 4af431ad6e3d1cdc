"""Cache: what is stored, whether it is intact, and deleting it."""

from __future__ import annotations

from brivl.app.cache import cache_page

cache_page()
