"""Regions: both models by brain region, with a paired test for each."""

from __future__ import annotations

from brivl.app.frame import explore
from brivl.app.regions_view import REGIONS

explore(REGIONS)
