"""A transfer as tables and sentences."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from brivl.analyses.transfer.request import MODALITIES, MOVIE, MULTIMODAL, STORIES, UNIMODAL
from brivl.analyses.transfer.result import SCORES, TransferResult, TransferTruth
from brivl.analysis import Options, short_name
from brivl.core.numbers import number, p_text
from brivl.core.regions.region_stats import bh_q

ALPHA = 0.05
MIN_WITHIN = 0.05  # r of the modality's own model below which a ratio says nothing
PREDICTED = {MOVIE: "movie predicted from stories", STORIES: "stories predicted from the movie"}
BAR, NULL_BAR = 0.7, 0.05  # subspace correlation; fraction of regions at q < .05 where nothing is shared
NULL_MEAN_R = 0.05  # largest mean r over regions, in either direction, where nothing is shared


def region_table(result: TransferResult) -> pd.DataFrame:
    """Tabulate scores by region.

    Parameters
    ----------
    result : TransferResult
        The result.

    Returns
    -------
    DataFrame
        One row per modality predicted and region, all voxels first: mean r of the modality's own model ("within") and
        of the other's ("across"; "raw" before signs are flipped), p, q, the same of unimodal features, whether the sign
        was flipped ("sign_flipped"), across over within where the latter is above 0.05 ("ratio"), one-sided p and q
        that the multimodal model transfers better than the unimodal ones ("better").
    """
    return pd.concat([_direction_table(result, modality) for modality in MODALITIES], ignore_index=True)


def _direction_table(result: TransferResult, modality: str) -> pd.DataFrame:
    columns: dict[str, Any] = {"region": list(result.regions), "n_voxels": list(result.n_voxels), "predicted": modality}
    for name in (MULTIMODAL, UNIMODAL):
        ending = "" if name == MULTIMODAL else f" {UNIMODAL}"
        scores = result.scores[name, modality]
        columns |= {f"{what}{ending}": getattr(scores, what) for what in SCORES}
    within, across = result.scores[MULTIMODAL, modality].within, result.scores[MULTIMODAL, modality].across
    reliable = within > MIN_WITHIN
    better = result.better_p[modality]
    columns |= {
        "sign_flipped": [region in result.sign_flipped[MULTIMODAL] for region in result.regions],
        "ratio": np.where(reliable, across / np.where(reliable, within, 1), np.nan),
        "p better": better,
        "q better": np.r_[np.nan, bh_q(better[1:])],
    }
    return pd.DataFrame(columns)


def regions_of(result: TransferResult, modality: str) -> pd.DataFrame:
    """Tabulate the regions, without the set of all voxels, for one direction.

    Parameters
    ----------
    result : TransferResult
        The result.
    modality : str
        The modality that is predicted.

    Returns
    -------
    DataFrame
        Rows of `region_table`.
    """
    table = region_table(result)
    return table[(table["predicted"] == modality) & (table["region"] != result.regions[0])]


def component_table(result: TransferResult) -> pd.DataFrame:
    """Tabulate the principal components.

    Parameters
    ----------
    result : TransferResult
        The result.

    Returns
    -------
    DataFrame
        One row per component: fraction of variance, agreement of loadings, r and p of transfer by way of it in both
        directions, whether it is shared (p < .05 in both), words at both ends. Empty where there are none.
    """
    components = result.components
    if components is None:
        return pd.DataFrame()
    return pd.DataFrame(
        {
            "component": np.arange(len(components.explained)) + 1,
            "explained": components.explained,
            "agreement": components.agreement,
            "r movie": components.r[0],
            "p movie": components.p[0],
            "r stories": components.r[1],
            "p stories": components.p[1],
            "shared": (components.p < ALPHA).all(0),
            "high": [", ".join(high) for high, _ in components.words],
            "low": [", ".join(low) for _, low in components.words],
        }
    )


def tables(result: TransferResult) -> dict[str, pd.DataFrame]:
    """Tabulate a transfer.

    Parameters
    ----------
    result : TransferResult
        The result.

    Returns
    -------
    dict
        Regions, and components where there are any.
    """
    components = component_table(result)
    return {"regions": region_table(result)} | ({"components": components} if len(components) else {})


def headline(result: TransferResult, options: Options) -> str:
    """State the finding.

    Parameters
    ----------
    result : TransferResult
        The result.
    options : mapping
        Not used: the finding is the same in all views.

    Returns
    -------
    str
        One sentence without its period.
    """
    n = len(result.regions) - 1
    if not n:
        scores = result.scores[MULTIMODAL, MOVIE]
        return f"Stories predict the movie over all voxels with r = {number(scores.across[0])} ({p_text(scores.p[0])})"
    significant = {m: int((result.scores[MULTIMODAL, m].q[1:] < ALPHA).sum()) for m in MODALITIES}
    return (
        f"Stories predict the movie in {significant[MOVIE]} of {n} regions, the movie predicts stories in "
        f"{significant[STORIES]} (q < .05)"
    )


def caption(result: TransferResult, options: Options) -> str:
    """Say what the figures show.

    Parameters
    ----------
    result : TransferResult
        The result.
    options : mapping
        Not used: the figures are the same in all views.

    Returns
    -------
    str
        Full sentences.
    """
    parts = []
    if len(result.regions) > 1:
        parts.append(
            "Mean held-out r over voxels: prediction by the model of the other modality (bars; filled: q < .05; ↺: "
            "sign flipped), by the modality's own model (lines), and by transfer with unimodal features (diamonds)."
        )
    if result.components is not None:
        parts.append(
            "Shared dimensions: agreement of stories and movie on principal components of the weights; filled: the "
            "component transfers in both directions, p < .05."
        )
    return " ".join(parts) or comparison(result)


def comparison(result: TransferResult) -> str:
    """Compare the multimodal model with the unimodal ones.

    Parameters
    ----------
    result : TransferResult
        The result.

    Returns
    -------
    str
        One sentence.
    """
    parts = []
    for modality in (MOVIE, STORIES):
        rows = regions_of(result, modality)
        multimodal, unimodal = (result.scores[name, modality].across[0] for name in (MULTIMODAL, UNIMODAL))
        n = int((rows["q better"] < ALPHA).sum())
        better = f", better in {n} of {len(rows)} regions at q < .05" if len(rows) else ""
        parts.append(f"{PREDICTED[modality]}, r {number(multimodal)} against {number(unimodal)}{better}")
    return f"Multimodal against unimodal features: {'; '.join(parts)}."


def methods(result: TransferResult) -> str:
    """Describe how the transfer was done.

    Parameters
    ----------
    result : TransferResult
        The result.

    Returns
    -------
    str
        The methods paragraph.
    """
    request, streams = result.request, result.streams[MULTIMODAL]
    vision, language = streams.vision, streams.language
    model = f"{short_name(vision[0])} (layers {vision[1]} of vision and {language[1]} of language)"
    source = "drawn scenes" if not request.pairs else f"images of {short_name(request.pairs)}"
    both = "the test runs" if all(result.has_test_run.values()) else "held-out runs"
    blocks = _listed([f"{result.n_blocks[m]} of the {'stories' if m == STORIES else 'movie'}" for m in MODALITIES])
    unimodal = result.streams[UNIMODAL]
    return (
        f"Voxelwise ridge regression with delays (preset {request.preset!r}) was fitted to the responses of "
        f"{result.n_voxels[0]:,} voxels of {request.subject} to stories and to a movie, from features of {model}; the "
        "word rate was regressed out of the features of stories. Linear maps between the spaces of vision and language "
        f"were learned by ridge regression from {request.n_pairs:,} {source} with captions. Features of each modality, "
        f"mapped into the space of the other, were given to the model of the other modality, and its predictions were "
        f"correlated with the responses in {both}. {_signs(result)} The p values come from permutations of "
        f"{result.block_description} ({blocks}) of the responses; the q values are corrected over the regions of a "
        "direction (Benjamini-Hochberg). The same was done with unimodal features of "
        f"{short_name(unimodal.vision[0])} and {short_name(unimodal.language[0])}, and differences in squared error "
        f"were tested by sign flips of blocks.{_dimensions(result)}"
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _signs(result: TransferResult) -> str:
    flipped = result.sign_flipped[MULTIMODAL]
    if not flipped:
        return "No sign was flipped: in training runs no region of visual cortex was negative in both directions."
    return (
        f"The sign of transferred predictions was flipped in {_listed(flipped)}, where transfer was negative in both "
        "directions in the training runs (inverse tuning, after Tang et al. 2023)."
    )


def _dimensions(result: TransferResult) -> str:
    if result.components is None:
        return ""
    return (
        f" Shared dimensions are principal components of the story weights of {result.n_multimodal_voxels:,} voxels "
        "that transferred in both directions in the training runs (p < .05 each), under the metric of the features; "
        "each was tested by the transfer that goes by way of it alone."
    )


def detail(result: TransferResult) -> str:
    """Say what the result is of.

    Parameters
    ----------
    result : TransferResult
        The result.

    Returns
    -------
    str
        Datasets, subject, models.
    """
    request = result.request
    datasets = " and ".join(short_name(name) for name in result.dataset_names)
    models = ", ".join(short_name(name) for name in (request.multimodal, request.vision, request.language))
    return f"{datasets}, {request.subject}, {models}"


def findings(result: TransferResult) -> dict[str, Any]:
    """Give numbers by the modality that is predicted, and how they relate to what was simulated.

    Parameters
    ----------
    result : TransferResult
        The result.

    Returns
    -------
    dict
        Plain values.
    """
    out: dict[str, Any] = {}
    for modality in MODALITIES:
        rows, scores = regions_of(result, modality), result.scores[MULTIMODAL, modality]
        out[modality] = {
            "r_within": _first(scores.within),
            "r_across": _first(scores.across),
            "r_across_unimodal": _first(result.scores[UNIMODAL, modality].across),
            "r_raw": _first(scores.raw),
            "n_regions": len(rows),
            "n_regions_p05": int((rows["p"] < ALPHA).sum()),
            "n_regions_q05": int((rows["q"] < ALPHA).sum()),
            "n_better_q05": int((rows["q better"] < ALPHA).sum()),
        }
    components = component_table(result)
    out |= {
        "turned": list(result.sign_flipped[MULTIMODAL]),
        "n_multimodal_voxels": result.n_multimodal_voxels,
        "n_shared_components": int(components["shared"].sum()) if len(components) else 0,
        "map_r2": [round(r2, 4) for r2 in result.map_r2[MULTIMODAL]],
    }
    return out if result.truth is None else out | {"truth": truth_findings(result, result.truth)}


def _first(values: np.ndarray) -> float:
    """The value of all voxels."""
    return round(float(values[0]), 4)


def truth_findings(result: TransferResult, truth: TransferTruth) -> dict[str, Any]:
    """Compare scores of regions that were simulated to share a code with those of the others.

    Parameters
    ----------
    result : TransferResult
        The result.
    truth : TransferTruth
        What was simulated.

    Returns
    -------
    dict
        Plain values.
    """
    shared_regions = list(truth.shared_regions)
    out = dataclasses.asdict(truth)
    for modality in MODALITIES:
        rows = regions_of(result, modality)
        shared = rows["region"].isin(shared_regions)
        out[modality] = {
            "r_across_shared": _mean(rows[shared]["across"]),
            "r_within_shared": _mean(rows[shared]["within"]),
            "r_across_elsewhere": _mean(rows[~shared]["across"]),
            "q05_shared": int((rows[shared]["q"] < ALPHA).sum()),
            "n_shared": int(shared.sum()),
            "q05_elsewhere": int((rows[~shared]["q"] < ALPHA).sum()),
            "n_elsewhere": int((~shared).sum()),
        }
    return out


def _mean(values: pd.Series) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None


def summary(result: TransferResult) -> dict[str, Any]:
    """Give all that `--json` prints.

    Parameters
    ----------
    result : TransferResult
        The result.

    Returns
    -------
    dict
        Plain values.
    """
    request = result.request
    rows = region_table(result).to_json(orient="records", double_precision=4)
    components = component_table(result).to_json(orient="records", double_precision=4)
    return {
        "datasets": list(result.dataset_names),
        "subject": request.subject,
        "models": {name: [list(s.vision), list(s.language)] for name, s in result.streams.items()},
        "preset": request.preset,
        **findings(result),
        "rows": json.loads(rows),
        "components": json.loads(components),
        "simulated": result.simulated,
    }


def evaluation(results: Mapping[str, TransferResult], nulls: Mapping[str, TransferResult]) -> dict[str, Any]:
    """Judge transfer in simulated subjects against the bars.

    Parameters
    ----------
    results : mapping
        Subject -> transfer where stories and movie share a code.
    nulls : mapping
        Subject -> transfer where they share nothing.

    Returns
    -------
    dict
        Subspace correlation, false positives without a shared code, bars, and the numbers of each subject.
    """
    subspaces = [0.0 if one.truth is None else one.truth.subspace_correlation for one in results.values()]
    rows = [regions_of(one, modality) for one in nulls.values() for modality in MODALITIES]
    q05, p05 = (float(np.mean(np.concatenate([part[column] < ALPHA for part in rows]))) for column in ("q", "p"))
    mean = float(np.mean(np.concatenate([part["across"] for part in rows])))
    ok = min(subspaces) >= BAR and q05 <= NULL_BAR and abs(mean) <= NULL_MEAN_R
    return {
        "subspace_correlation": round(float(np.mean(subspaces)), 4),
        "bar": BAR,
        "null_share_regions_q05": round(q05, 4),
        "null_share_regions_p05": round(p05, 4),
        "null_bar": NULL_BAR,
        "null_mean_r": round(mean, 4),
        "null_near": NULL_MEAN_R,
        "passes": bool(ok),
        "planted": {subject: findings(one) for subject, one in results.items()},
        "null": {subject: findings(one) for subject, one in nulls.items()},
        "simulated": True,
    }
