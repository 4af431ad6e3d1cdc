"""Alignment: an encoder of responses to images that is trained with descriptions of them."""

from __future__ import annotations

from brivl.analyses.alignment.page import PAGE
from brivl.ui.analysis_page import show

show(PAGE)
