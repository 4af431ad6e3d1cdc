"""Flatmap: where in the brain, and which model."""

from __future__ import annotations

from brivl.analyses.flatmap.page import FLATMAP
from brivl.analyses.flatmap.webgl.component import warm
from brivl.ui.frame import explore

warm()
explore(FLATMAP)
