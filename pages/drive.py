"""Drive: generated images with a large predicted response of a region."""

from __future__ import annotations

from brivl.analyses.drive.page import PAGE
from brivl.ui.analysis_page import show

show(PAGE)
