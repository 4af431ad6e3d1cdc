"""Audit: known faults of the published protocol, each with its measured effect on the data chosen."""

from __future__ import annotations

from brivl.analyses.audit.page import PAGE
from brivl.ui.analysis_page import show

show(PAGE)
