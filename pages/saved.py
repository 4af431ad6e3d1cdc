"""Saved views, and the report made of them."""

from __future__ import annotations

from brivl.app.saved import saved

saved()
