"""Flatmap: where in the brain, and which model."""

from __future__ import annotations

from brivl.app.flatmap_view import FLATMAP
from brivl.app.frame import explore
from brivl.app.viewer.component import warm

warm()
explore(FLATMAP)
