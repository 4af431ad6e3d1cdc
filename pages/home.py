"""Home: what this is, what is loaded and what is simulated, a short tour, state of the cache."""

from __future__ import annotations

from brivl.app.home import home

home()
