"""Layers: how well each layer predicts, jointly and by model, with every subject a dot."""

from __future__ import annotations

from brivl.app.frame import explore
from brivl.app.layers_view import LAYERS

explore(LAYERS)
