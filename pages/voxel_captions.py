"""Voxel captions: words and sentences for voxels and regions."""

from __future__ import annotations

from brivl.analyses.voxel_captions.page import PAGE
from brivl.ui.analysis_page import show

show(PAGE)
