"""Decoding: which of N held-out stimuli a subject saw or read."""

from __future__ import annotations

from brivl.analyses.decoding.page import PAGE
from brivl.ui.analysis_page import show

show(PAGE)
