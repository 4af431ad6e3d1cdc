"""Tables as pages show them: p is never printed as 0.000000, columns bear the names of the models."""

from __future__ import annotations

import pandas as pd

from brivl.ui.results import column_titles
from brivl.ui.tabs import column_formats


def test_probabilities_have_two_digits_and_scores_three_decimals() -> None:
    table = pd.DataFrame({"region": ["V1"], "p": [1.1e-82], "q_joint": [0.02], "mean_a": [0.25], "n_voxels": [7]})
    formats = column_formats(table, column_titles(("BriVL", "ViT")))
    kinds = {name: one.get("type_config", {}).get("format") for name, one in formats.items()}
    assert kinds == {"region": None, "p": "%.2g", "q_joint": "%.2g", "mean_a": "%.3f", "n_voxels": None}
    assert formats["mean_a"]["label"] == "split R², BriVL" and formats["n_voxels"]["label"] == "voxels"
