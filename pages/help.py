"""Help: the tour, the short guides, and the other documents."""

from __future__ import annotations

from brivl.app.help import help_page

help_page()
