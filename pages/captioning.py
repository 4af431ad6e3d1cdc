"""Captioning: one image, two captioners, a map of attention for each word."""

from __future__ import annotations

from brivl.analyses.captioning.page import PAGE
from brivl.ui.analysis_page import show_demo

show_demo(PAGE)
