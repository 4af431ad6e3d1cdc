"""Layers: how well each layer predicts, jointly and by model, with every subject a dot."""

from __future__ import annotations

from brivl.analyses.layers.page import LAYERS
from brivl.ui.frame import explore

explore(LAYERS)
