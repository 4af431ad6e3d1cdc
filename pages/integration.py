"""Integration: where a multimodal encoder outperforms vision, language and both together."""

from __future__ import annotations

from brivl.analyses.integration.page import PAGE
from brivl.ui.analysis_page import show

show(PAGE)
