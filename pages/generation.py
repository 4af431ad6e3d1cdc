"""Generation: images generated from texts by inversion."""

from __future__ import annotations

from brivl.analyses.generation.page import PAGE
from brivl.ui.analysis_page import show_demo

show_demo(PAGE)
