"""The figure "R² by layer": means over voxels, and the headline and caption that go with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from brivl.analyses.layers.figures import MIN_BOX
from brivl.core.claims.coverage import Coverage
from brivl.core.claims.layer_headlines import LayerMeans, layers_headline
from brivl.core.claims.split_and_unique import NOT_COMPUTED
from brivl.core.regions.region_stats import RegionComparison, compare_subjects
from brivl.core.regions.variance_partitioning import VARIANCE_COMPONENTS, MeanScores
from brivl.viz.style import R2


def coverage_of(table: pd.DataFrame, n_layers: int, subjects: Sequence[str]) -> Coverage:
    """Tell which layers of which subjects a table of means holds.

    Parameters
    ----------
    table : DataFrame
        Means as `layer_means` returns them.
    n_layers : int
        Layers of the models.
    subjects : sequence of str
        Subjects asked for.

    Returns
    -------
    Coverage
        All other layers and subjects are missing.
    """
    fitted = set(zip(table["layer"].astype(int), table["subject"], strict=True))
    expected = {(layer, subject) for layer in range(1, n_layers + 1) for subject in subjects}
    return Coverage.of(fitted, expected - fitted)


def layers_finding(
    table: pd.DataFrame, names: tuple[str, str], coverage: Coverage, scores: Mapping[int, MeanScores] | None = None
) -> str:
    """Write the headline of a table of means.

    Parameters
    ----------
    table : DataFrame
        Means as `layer_means` returns them.
    names : (str, str)
        Names of models A and B.
    coverage : Coverage
        Which fits are there; only complete layers are compared.
    scores : mapping of int to MeanScores, optional
        Layer -> means with unique and shared variance, for the headline to name both.

    Returns
    -------
    str
        The headline.
    """
    complete = table[table["layer"].isin(coverage.complete_layers)]
    joint = (table if complete.empty else complete).groupby("layer")["r2_joint"].mean()
    compared = sorted(set(complete["layer"].unique().tolist()) - coverage.identical)
    means = LayerMeans(
        dict(zip(joint.index.tolist(), joint.tolist(), strict=True)),
        _compare(complete, compared),
        compared,
        scores or {},
    )
    return layers_headline(means, names, coverage)


def _compare(table: pd.DataFrame, layers: Sequence[int]) -> RegionComparison:
    """One row for each layer, with subjects as pairs."""
    if not layers:
        return RegionComparison(pd.DataFrame({"difference": [], "q": []}), "subject", "")
    a, b = (table.pivot(index="subject", columns="layer", values=c)[layers] for c in ("r2_split_a", "r2_split_b"))
    return compare_subjects(a.to_numpy(), b.to_numpy(), [str(layer) for layer in layers])


def scores_by_layer(table: pd.DataFrame, parts: pd.DataFrame, coverage: Coverage) -> dict[int, MeanScores]:
    """Average scores and parts over subjects, at the layers that are complete.

    Parameters
    ----------
    table : DataFrame
        Means as `layer_means` returns them.
    parts : DataFrame
        Means of the parts as `layer_parts` returns them.
    coverage : Coverage
        Which fits are there.

    Returns
    -------
    dict of int to MeanScores
        Layer -> means; the parts are NaN where a subject has none.
    """
    both = with_parts(table, parts)
    names = ["r2_joint", "r2_split_a", "r2_split_b", *VARIANCE_COMPONENTS]
    by_layer = {layer: both[both["layer"] == layer] for layer in sorted(both["layer"].unique().tolist())}
    return {
        layer: MeanScores.of({name: rows[name].to_numpy(float) for name in names})
        for layer, rows in by_layer.items()
        if layer in coverage.complete_layers
    }


def with_parts(table: pd.DataFrame, parts: pd.DataFrame) -> pd.DataFrame:
    """Add unique and shared variance to a table of means.

    Parameters
    ----------
    table : DataFrame
        Means as `layer_means` returns them.
    parts : DataFrame
        Means of the parts as `layer_parts` returns them.

    Returns
    -------
    DataFrame
        The table with columns unique_a, unique_b and shared; NaN where the models were not fitted alone.
    """
    return table.merge(parts, on=["layer", "subject"], how="left")


def layers_caption(table: pd.DataFrame, coverage: Coverage, where: str = "") -> str:
    """Write what is plotted.

    Parameters
    ----------
    table : DataFrame
        Means as `layer_means` or `with_parts` returns them.
    coverage : Coverage
        Which fits are there.
    where : str
        Region of the voxels, such as " of V1"; "" for all.

    Returns
    -------
    str
        The caption.
    """
    low, high = int(table["n_voxels"].min()), int(table["n_voxels"].max())
    count = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    several = coverage.n_subjects > 1
    who = f" each of {coverage.who}" if several else f", {coverage.who}"
    boxed = table.groupby("layer")["subject"].nunique().max() >= MIN_BOX
    parts = [
        f"Mean held-out {R2} over {count} fitted voxels{where}{who}.",
        f"Line: joint {R2} of both models{', mean of the subjects fitted at a layer' if several else ''}; dots: split "
        f"{R2} of each model{', one for each subject, joined by a thin line' if several else ''}.",
        _parts_caption(table),
        "Boxes: median and quartiles over subjects, whiskers to 1.5 interquartile ranges." if boxed else "",
        "n: subjects fitted at a layer." if several or coverage.missing else "",
        f"{coverage.fits} are there." if coverage.fits else "",
    ]
    return " ".join(part for part in parts if part)


def _parts_caption(table: pd.DataFrame) -> str:
    """What the dotted lines are, or that they are lacking."""
    if "shared" not in table:
        return ""
    present = table["shared"].notna()
    dotted = f"Dotted: unique {R2} of each model (joint {R2} minus {R2} of the other model alone) and shared {R2}."
    if present.all():
        return dotted
    lacking = f"{NOT_COMPUTED[0].upper()}{NOT_COMPUTED[1:]} for {int((~present).sum())} of {len(table)} fits."
    return f"{dotted} {lacking}" if present.any() else lacking
