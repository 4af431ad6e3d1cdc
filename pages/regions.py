"""Regions: both models by brain region, with a paired test for each."""

from __future__ import annotations

from brivl.analyses.regions.page import REGIONS
from brivl.ui.frame import explore

explore(REGIONS)
