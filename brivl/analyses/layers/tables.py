"""The figure "R² by layer": means over voxels, and the words that stand around them."""

from __future__ import annotations

import pandas as pd

from brivl.analyses.layers.figures import MIN_BOX
from brivl.core.claims.headlines import layers_headline
from brivl.core.numbers import number
from brivl.core.regions.region_stats import compare_subjects
from brivl.viz.style import R2


def layers_finding(table: pd.DataFrame, names: tuple[str, str], who: str) -> str:
    """The headline of a table of means."""
    layers = sorted(table["layer"].unique().tolist())
    a, b = (table.pivot(index="subject", columns="layer", values=c)[layers] for c in ("r2_split_a", "r2_split_b"))
    comparison = compare_subjects(a.to_numpy(), b.to_numpy(), [str(layer) for layer in layers])
    joint = table.groupby("layer")["r2_joint"].mean().reindex(layers).to_numpy()
    if len(layers) > 1:
        return layers_headline(layers, joint, names, comparison, who)
    difference = float(comparison.table["difference"].iloc[0])
    first = int(difference < 0)
    return (
        f"Layer {layers[0]}: {names[first]} explains more than {names[1 - first]}, by "
        f"{number(abs(difference), 2)} {R2} on average ({who}); joint {R2} {number(joint[0], 2)}"
    )


def layers_caption(table: pd.DataFrame, who: str, where: str = "") -> str:
    """What is plotted; `where` names the region, " of V1"."""
    low, high = int(table["n_voxels"].min()), int(table["n_voxels"].max())
    count = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    n = table["subject"].nunique()
    boxes = "Boxes: median and quartiles over subjects, whiskers to 1.5 interquartile ranges. " if n >= MIN_BOX else ""
    dots = "Dots: subjects, a thin line joins the two models of each." if n > 1 else f"Dots: subject {who}."
    return (
        f"Mean over {count} fitted voxels{where}, on held-out data. Line: joint {R2} of both models"
        f"{' (mean of subjects)' if n > 1 else ''}. {boxes}{dots}"
    )
