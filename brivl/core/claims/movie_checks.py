"""The paper's claims about Fig. 4, encoding of movies, as checks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from brivl.core.claims.checks import (
    Check,
    Decision,
    ScoreMeans,
    Untestable,
    best_layer,
    format_by_layer,
    join_with_and,
    passes_at_every_layer,
    require_layers,
    rises_with_depth,
    slope,
)
from brivl.core.numbers import number

# Names as in pycortex and shortclips, compared in lower case without "+" and a leading "h".
EARLY = {"v1", "v2", "v3", "v4"}
DEEP = {"ffa", "eba", "mt", "mtmst"}
PSTS = {"psts"}
HIGH = {"ffa", "eba", "ofa", "lo", "loc", "ppa", "opa", "tos", "rsc", "mt", "mtmst", "psts"}
MAPS = ("fig4c", "fig4d", "fig4e")
SHOWN = (4, 8, 12)
FLAT = 0.25


def plain_name(roi: str) -> str:
    """Simplify the name of an ROI for comparison, such as "hMT+" to "mt".

    Parameters
    ----------
    roi : str
        Name of an ROI.

    Returns
    -------
    str
        Lower-case name without "+" and a leading "h".
    """
    name = roi.lower().replace("+", "").strip()
    return name[1:] if name[:2] in ("hv", "hm") else name


def _rois(means: ScoreMeans, column: str, names: set[str]) -> pd.DataFrame:
    """Means of those ROIs that the data have, layers by ROIs. Raises Untestable where they have none."""
    table = means.by_layer_and_region("roi", column)
    rois = [roi for roi in table.columns if plain_name(roi) in names]
    if not rois:
        raise Untestable(f"no ROI called {' or '.join(sorted(names)).upper()} in these data")
    return table[rois]


def _rise_then_flat(means: ScoreMeans) -> Decision:
    joint, turn = means.brain("joint"), means.model_layer(8)
    before, after = joint[joint.index <= turn], joint[joint.index >= turn]
    if len(before) < 3 or len(after) < 2 or turn not in joint.index:
        raise Untestable(
            f"needs layer {turn}, two before it and one after it; fitted: {join_with_and(list(joint.index))}"
        )
    rising, rho = rises_with_depth(before)
    early, late = slope(before), slope(after)
    text = f"rho {rho:.2f} and slope {early:+.2g} R² a layer up to layer {turn}, {late:+.2g} after; "
    return rising and abs(late) <= FLAT * abs(early), text + format_by_layer(joint, number)


def _ahead_from_4(means: ScoreMeans) -> Decision:
    return passes_at_every_layer(means.brain("difference"), means.model_layers(4), lambda d: d > 0)


def _best_at(means: ScoreMeans, names: set[str], paper_layer: int) -> Decision:
    """Whether a layer has the highest joint R² among the three shown in more than half of these ROIs."""
    table = _rois(means, "joint", names)
    shown = [means.model_layer(k) for k in SHOWN]
    best = np.array([best_layer(require_layers(table[roi], shown)) for roi in table])
    hits = best == means.model_layer(paper_layer)
    each = "; ".join(f"{roi} {format_by_layer(table[roi].loc[shown], number)}" for roi in table)
    return bool(hits.mean() > 0.5), f"{int(hits.sum())} of {len(hits)} ROIs; {each}"


def _ahead_in_high(means: ScoreMeans) -> Decision:
    """Share of high-level ROIs with a > b, at each of the three layers."""
    share = (_rois(means, "difference", HIGH) > 0).mean(axis=1)
    holds, text = passes_at_every_layer(share, [means.model_layer(k) for k in SHOWN], lambda s: s > 0.5)
    return holds, f"share of ROIs ahead, {text.replace('+', '')}"


def _ahead(means: ScoreMeans, names: set[str], paper_layers: Sequence[int]) -> Decision:
    difference = _rois(means, "difference", names)
    holds, text = passes_at_every_layer(
        difference.mean(axis=1), [means.model_layer(k) for k in paper_layers], lambda d: d > 0
    )
    return holds, f"mean of {join_with_and(list(difference.columns))}, {text}"


def _not_ahead_at_12(means: ScoreMeans) -> Decision:
    difference = _rois(means, "difference", EARLY)
    holds, text = passes_at_every_layer(difference.mean(axis=1), [means.model_layer(12)], lambda d: d <= 0)
    return holds, f"mean of {join_with_and(list(difference.columns))}, {text}"


MOVIE_CHECKS: tuple[Check, ...] = (
    Check(
        "4b-rise",
        ("fig4b",),
        "Joint R² rises with depth and is stable after layer 8.",
        "Mean over subjects: up to layer 8 Spearman rho with depth >= 0.7 and the last above the first; from layer 8 "
        "on the least-squares slope is at most a quarter of the one before, up or down.",
        _rise_then_flat,
    ),
    Check(
        "4b-ahead",
        ("fig4b",),
        "BriVL contributes more than ViT from layer 4 on.",
        "Mean over subjects of split R², multimodal minus unimodal, is above 0 at every layer from 4 on.",
        _ahead_from_4,
    ),
    Check(
        "4c-e-early",
        MAPS,
        "Layer 8 predicts V1 to V4 best.",
        "Subject 1, means over voxels: of layers 4, 8 and 12, layer 8 has the highest joint R² in more than half of "
        "V1, V2, V3, V4, as far as the data have them.",
        lambda m: _best_at(m, EARLY, 8),
    ),
    Check(
        "4c-e-deep",
        MAPS,
        "Layer 12 predicts FFA, EBA and MT best.",
        "Subject 1, means over voxels: of layers 4, 8 and 12, layer 12 has the highest joint R² in more than half of "
        "FFA, EBA, MT, as far as the data have them.",
        lambda m: _best_at(m, DEEP, 12),
    ),
    Check(
        "4c-e-high",
        MAPS,
        "BriVL is ahead in high-level visual cortex at layers 4, 8 and 12.",
        "Subject 1: split R², multimodal minus unimodal, is above 0 in more than half of FFA, EBA, OFA, LO, PPA, "
        "OPA/TOS, RSC, MT, pSTS (as far as there) at each of the three layers.",
        _ahead_in_high,
    ),
    Check(
        "4c-e-psts",
        MAPS,
        "BriVL is ahead in pSTS at layers 4, 8 and 12.",
        "Subject 1: split R², multimodal minus unimodal, is above 0 in pSTS at each of the three layers.",
        lambda m: _ahead(m, PSTS, SHOWN),
    ),
    Check(
        "4c-d-early",
        MAPS,
        "BriVL is ahead in V1 to V4 at layers 4 and 8.",
        "Subject 1: split R², multimodal minus unimodal, averaged over V1 to V4 (as far as there) is above 0 "
        "at both layers.",
        lambda m: _ahead(m, EARLY, (4, 8)),
    ),
    Check(
        "4e-early",
        MAPS,
        "BriVL is not ahead in V1 to V4 at layer 12.",
        "Subject 1: split R², multimodal minus unimodal, averaged over V1 to V4 (as far as there) is not above 0 at "
        "layer 12.",
        _not_ahead_at_12,
    ),
)
