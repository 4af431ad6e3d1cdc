"""An integration test as tables and sentences."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from brivl.analyses.integration.compute import IntegrationResult
from brivl.analyses.integration.request import BOTH, LANGUAGE, MULTIMODAL, UNTRAINED, VISION
from brivl.analysis import Options, short_name
from brivl.core.numbers import number, p_text

ALPHA = 0.05
TITLES = {BOTH: "(vision + language)", UNTRAINED: "untrained control"}  # others are called as they are stored
MIN_REGIONS = 3  # for a rank correlation over regions


def title_of(name: str) -> str:
    """Give the name of an encoder or a set of features as figures have it.

    Parameters
    ----------
    name : str
        Name in the result.

    Returns
    -------
    str
        Name on screen.
    """
    return TITLES.get(name, name)


def region_table(result: IntegrationResult) -> pd.DataFrame:
    """Tabulate scores and tests.

    Parameters
    ----------
    result : IntegrationResult
        The result.

    Returns
    -------
    DataFrame
        One row per region, all voxels first: R2 of each set of features alone, difference from each baseline
        ("delta r2") with 95 % confidence interval and one-sided p, p against chance, p and q of the test, split R2 of
        the joint fit.
    """
    columns: dict[str, Any] = {"region": list(result.regions), "n_voxels": list(result.n_voxels)}
    columns |= {f"r2 {title_of(name)}": values for name, values in result.r2.items()}
    for i, name in enumerate(result.baselines):
        columns |= {
            f"delta r2 {title_of(name)}": result.difference[i],
            f"ci_low {title_of(name)}": result.ci[0, i],
            f"ci_high {title_of(name)}": result.ci[1, i],
            f"p {title_of(name)}": result.p[i],
        }
    columns |= {"p chance": result.chance_p, "p": result.p_all, "q": result.q_all}
    columns |= {f"split {band}": result.split_r2[i] for i, band in enumerate(result.bands)}
    if result.planted_share is not None:
        columns["true share (simulated)"] = result.planted_share
    return pd.DataFrame(columns)


def tables(result: IntegrationResult) -> dict[str, pd.DataFrame]:
    """Tabulate an integration test.

    Parameters
    ----------
    result : IntegrationResult
        The result.

    Returns
    -------
    dict
        One table.
    """
    return {"regions": region_table(result)}


def headline(result: IntegrationResult, options: Options) -> str:
    """State the finding.

    Parameters
    ----------
    result : IntegrationResult
        The result.
    options : mapping
        Not used: there is one view.

    Returns
    -------
    str
        One sentence without its period.
    """
    encoder = short_name(result.request.multimodal)
    baselines = _baselines(result)
    n = len(result.regions) - 1
    if n == 0:
        p = float(result.p_all[0])
        verb = "outperforms" if p < ALPHA else "does not outperform"
        return f"{encoder} {verb} {baselines} ({p_text(p)}; {_power(result)})"
    n_q, n_p = _significant(result)
    return f"{encoder} outperforms {baselines} in {n_q} of {n} regions at q < .05 ({n_p} at p < .05; {_power(result)})"


def smallest_p(result: IntegrationResult) -> float:
    """Give the smallest p value that the blocks of held-out samples can reach.

    Parameters
    ----------
    result : IntegrationResult
        The result.

    Returns
    -------
    float
        The larger of that of the one-sided sign flips and that of the permutations against chance. A lower bound where
        runs or lengths keep some blocks from changing places.
    """
    n_used = result.request.n_permutations + 1
    n_flips, n_orders = min(2 ** (result.n_blocks - 1), n_used), min(math.factorial(result.n_blocks), n_used)
    return max(0.5 / n_flips, 1 / n_orders)


def _power(result: IntegrationResult) -> str:
    """How small p can be, in a few words."""
    p = smallest_p(result)
    text = f"{result.n_blocks} blocks: smallest attainable {p_text(p)}"
    return text if p < ALPHA else f"{text}, so that nothing can be significant"


def _significant(result: IntegrationResult) -> tuple[int, int]:
    """Regions at q < .05 and at p < .05."""
    return int((result.q_all[1:] < ALPHA).sum()), int((result.p_all[1:] < ALPHA).sum())


def _baselines(result: IntegrationResult) -> str:
    """The tested baselines in a sentence."""
    return _listed(["both together" if name == BOTH else name for name in result.tested_baselines])


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def caption(result: IntegrationResult, options: Options) -> str:
    """Say what the figures show.

    Parameters
    ----------
    result : IntegrationResult
        The result.
    options : mapping
        Not used: there is one view.

    Returns
    -------
    str
        Full sentences.
    """
    split = (
        f"Split R² of one banded ridge of all {len(result.bands)} encoders: a bar is the contribution of one encoder, "
        "and the bars of a region add up to its joint R²."
    )
    if len(result.regions) == 1:
        return split
    return (
        "Held-out R² of the multimodal encoder minus that of each baseline, mean over the voxels of a region; bold "
        f"names: q < .05. {split}"
    )


def methods(result: IntegrationResult) -> str:
    """Describe how the encoders were compared.

    Parameters
    ----------
    result : IntegrationResult
        The result.

    Returns
    -------
    str
        The methods paragraph.
    """
    request = result.request
    named = {MULTIMODAL: request.multimodal, VISION: request.vision, LANGUAGE: request.language}
    encoders = _listed(
        [f"{short_name(named[role])} ({role}, layer {result.layers[role]})" for role in named if role in result.layers]
    )
    together = " Vision and language were also fitted together as two bands of one model." if BOTH in result.r2 else ""
    captions = (
        " Images come without text, so the language encoder was given captions of the middle frame of each sample, "
        "written by the shipped captioner."
        if VISION in result.r2
        else ""
    )
    return (
        f"Banded ridge regression (preset {request.preset!r}) predicted the responses of {result.n_voxels[0]:,} voxels "
        f"of {request.subject} from the features of each encoder alone: {encoders}, all at the same relative depth."
        f"{together}{captions}{_controls(result)} {_test(result)} All encoders but the untrained control were also "
        f"fitted as {len(result.bands)} bands of one banded ridge, whose R² was split between them."
    )


def _controls(result: IntegrationResult) -> str:
    """A sentence on fits that take no part in the test."""
    controls = ["the multimodal encoder with random weights"] if UNTRAINED in result.baselines else []
    for name in result.request.more:
        controls.append(f"{short_name(name)} (layer {result.layers[Path(name).name]})")
    if not controls:
        return ""
    return (
        f" For comparison only, {_listed(controls)} {'was' if len(controls) == 1 else 'were'} fitted in the same way."
    )


def _test(result: IntegrationResult) -> str:
    """Sentences on the test, with the smallest p that it can reach."""
    blocks = f"{result.n_blocks} {result.block_description}"
    return (
        "A region counted as integrative where the multimodal encoder predicted it better than chance and better than "
        f"{_baselines(result)}: p was the largest of these one-sided p values (intersection-union test). Differences "
        f"in squared error were tested by sign flips of {blocks}; the comparison with "
        f"chance permuted these blocks. With them p cannot be smaller than {number(smallest_p(result), 2)}. The q "
        "values are corrected over regions (Benjamini-Hochberg)."
    )


def detail(result: IntegrationResult) -> str:
    """Say what the result is of.

    Parameters
    ----------
    result : IntegrationResult
        The result.

    Returns
    -------
    str
        Dataset, subject, encoders.
    """
    request = result.request
    encoders = [request.multimodal, *([request.vision] if VISION in result.r2 else []), request.language, *request.more]
    return f"{short_name(request.dataset)}, {request.subject}, {', '.join(short_name(name) for name in encoders)}"


def margin(result: IntegrationResult) -> np.ndarray:
    """Compute the margin of the multimodal encoder over its best tested baseline.

    Parameters
    ----------
    result : IntegrationResult
        The result.

    Returns
    -------
    (n_regions,) array
        Difference in R2.
    """
    baselines = np.stack([result.r2[name] for name in result.tested_baselines])
    return result.r2[MULTIMODAL] - baselines.max(0)


def findings(result: IntegrationResult) -> dict[str, Any]:
    """Give counts of regions and scores of all voxels, and how they relate to what was simulated.

    Parameters
    ----------
    result : IntegrationResult
        The result.

    Returns
    -------
    dict
        Plain values.
    """
    n_q, n_p = _significant(result)
    out: dict[str, Any] = {
        "n_regions": len(result.regions) - 1,
        "n_q05": n_q,
        "n_p05": n_p,
        "r2_all_voxels": {name: round(float(values[0]), 4) for name, values in result.r2.items()},
        "p_all_voxels": round(float(result.p_all[0]), 4),
        "smallest_p": round(smallest_p(result), 6),
        "layers": dict(result.layers),
    }
    if result.planted_share is not None and len(result.regions) > MIN_REGIONS:
        out["truth"] = _against_truth(result, result.planted_share[1:])
    return out


def _against_truth(result: IntegrationResult, planted: np.ndarray) -> dict[str, Any]:
    """How tests and margins relate to the simulated share (n_regions,) of the multimodal encoder."""
    margins = margin(result)[1:]
    varied = np.ptp(planted) > 0 and np.ptp(margins) > 0
    return {
        "rho_planted_share_and_margin": round(float(spearmanr(planted, margins).statistic), 4) if varied else None,
        "false_p05_where_share_below_half": int(((result.p_all[1:] < ALPHA) & (planted < 0.5)).sum()),
        "n_share_below_half": int((planted < 0.5).sum()),
    }


def summary(result: IntegrationResult) -> dict[str, Any]:
    """Give all that `--json` prints.

    Parameters
    ----------
    result : IntegrationResult
        The result.

    Returns
    -------
    dict
        Plain values.
    """
    request = result.request
    return {
        "dataset": request.dataset,
        "subject": request.subject,
        "models": {
            "multimodal": request.multimodal,
            "vision": request.vision,
            "language": request.language,
            "more": list(request.more),
        },
        "preset": request.preset,
        **findings(result),
        "regions": json.loads(region_table(result).to_json(orient="records", double_precision=5)),
        "simulated": result.simulated,
    }
