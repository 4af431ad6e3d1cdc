"""A decoding as tables and sentences."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from brivl.analyses.decoding.compute import MIN_VOXELS, DecodingResult
from brivl.analysis import Options, short_name
from brivl.core.decoding.identification import Identification, pairwise_accuracy, top_k_accuracy
from brivl.core.numbers import probability
from brivl.core.regions.region_stats import bh_q

SPACES = {"image": "among images", "text": "among sentences"}
ALPHA = 0.05
FOLDS_DIFFER = " / "  # between names of regions in a stored set where cross-validation folds add different ones


def space_of(result: DecodingResult, options: Options) -> str:
    """Choose the candidate space to show.

    Parameters
    ----------
    result : DecodingResult
        The result.
    options : mapping
        What the page chose; "space" is used.

    Returns
    -------
    str
        "image" or "text"; the first that the result has where none is chosen.
    """
    return options["space"] if options.get("space") in result.ranks else next(iter(result.ranks))


def accuracy_table(result: DecodingResult, space: str) -> pd.DataFrame:
    """Tabulate identification accuracy.

    Parameters
    ----------
    result : DecodingResult
        The result.
    space : str
        Candidate space, "image" or "text".

    Returns
    -------
    DataFrame
        One row per set of voxels: pairwise, top-1 and top-5 accuracy with chance, median rank (1 is best), p, and q
        (Benjamini-Hochberg over the regions). Ties count half.
    """
    rows = []
    for i, (one, all_ranks) in enumerate(zip(result.sets, result.ranks[space], strict=True)):
        ties, p = result.ties[space][i], result.p[space][i]
        pools = [
            Identification(all_ranks[inside], ties[inside], int(n))
            for n, inside in zip(result.n_candidates[space], _pools(result), strict=True)
        ]
        chance, top1_chance, top5_chance = (float(value) for value in result.chance[space][i])
        rows.append(
            {
                "voxels": one.name.replace(FOLDS_DIFFER, " or "),
                "kind": one.kind,
                "n_voxels": one.n_voxels,
                "pairwise": pairwise_accuracy(pools),
                "pairwise_chance": chance,
                "top1": top_k_accuracy(pools, 1),
                "top1_chance": top1_chance,
                "top5": top_k_accuracy(pools, 5),
                "top5_chance": top5_chance,
                "median_rank": float(np.median(all_ranks)) + 1,
                "p": float(p),
                "q": np.nan,
            }
        )
    table = pd.DataFrame(rows)
    regions = table["kind"] == "region"
    table.loc[regions, "q"] = bh_q(table.loc[regions, "p"].to_numpy())
    return table


def _pools(result: DecodingResult) -> list[np.ndarray]:
    """Stimuli of each cross-validation split, as masks."""
    return [result.pool == pool for pool in np.unique(result.pool)]


def tables(result: DecodingResult) -> dict[str, pd.DataFrame]:
    """Tabulate a decoding in all candidate spaces.

    Parameters
    ----------
    result : DecodingResult
        The result.

    Returns
    -------
    dict
        One table, with the column "space" last.
    """
    return {"accuracy": pd.concat([accuracy_table(result, space).assign(space=space) for space in result.ranks])}


def n_candidates(result: DecodingResult, space: str) -> str:
    """Say among how many different stimuli one is identified.

    Parameters
    ----------
    result : DecodingResult
        The result.
    space : str
        Candidate space, "image" or "text".

    Returns
    -------
    str
        A number, or a range where splits differ.
    """
    counts = result.n_candidates[space]
    low, high = int(counts.min()), int(counts.max())
    return f"{low}" if low == high else f"{low}–{high}"


def headline(result: DecodingResult, options: Options) -> str:
    """State the finding.

    Parameters
    ----------
    result : DecodingResult
        The result.
    options : mapping
        What the page chose.

    Returns
    -------
    str
        One sentence without its period.
    """
    space = space_of(result, options)
    whole = accuracy_table(result, space).iloc[0]
    return (
        f"Top-1 accuracy {100 * whole['top1']:.0f} % among {n_candidates(result, space)} stimuli (chance "
        f"{100 * whole['top1_chance']:.1f} %); pairwise accuracy {100 * whole['pairwise']:.0f} % (chance "
        f"{100 * whole['pairwise_chance']:.0f} %), n = {len(result.pool)} stimuli"
    )


def caption(result: DecodingResult, options: Options) -> str:
    """Say what the figure shows.

    Parameters
    ----------
    result : DecodingResult
        The result.
    options : mapping
        What the page chose.

    Returns
    -------
    str
        Full sentences.
    """
    space = space_of(result, options)
    captioned = space == "text" and result.stimulus_kind == "image"
    source = " The sentences are captions of the middle frame of each stimulus by the shipped captioner."
    return (
        f"Pairwise identification accuracy {SPACES[space]}, from each region alone and from regions added one by "
        "one. Filled symbols: q < .05. Regions of fewer than "
        f"{MIN_VOXELS} voxels are left out. Regions are added in the order of their accuracy in the training folds; "
        f"“by fold”: the folds add different regions there.{source if captioned else ''}"
    )


def methods(result: DecodingResult) -> str:
    """Describe how the decoding was done.

    Parameters
    ----------
    result : DecodingResult
        The result.

    Returns
    -------
    str
        The methods paragraph.
    """
    if result.tr is not None:
        stimulus = f"Each stimulus was {result.window} samples ({result.window * result.tr:g} s) of the held-out runs"
    else:
        kind = "sentence" if result.stimulus_kind == "text" else "image"
        stimulus = f"Each stimulus was one held-out {kind}; whole groups were held out together"
    smallest = probability(result.smallest_p).lstrip("= ")
    return (
        f"Ridge regression (preset {result.request.preset!r}) predicted the embedding of each stimulus by "
        f"{result.request.model} from the responses of {result.n_voxels:,} voxels of {result.request.subject} at all "
        f"delays, with alpha chosen for each dimension by cross-validation within the training data. {stimulus}; it "
        f"competed with the other stimuli of its cross-validation split ({n_candidates(result, space_of(result, {}))}) "
        "by the cosine of predicted and true embeddings, both centred on the training mean; equal stimuli are one "
        "candidate, ties count half, and chance is the accuracy of predictions assigned to stimuli at random. The p "
        "value of pairwise accuracy is the share of circular shifts of the predictions within runs that reach it; it "
        f"cannot be smaller than {smallest} here. The q values are corrected over regions (Benjamini-Hochberg)."
    )


def detail(result: DecodingResult) -> str:
    """Say what the result is of.

    Parameters
    ----------
    result : DecodingResult
        The result.

    Returns
    -------
    str
        Dataset, subject, embedding.
    """
    request = result.request
    return f"{short_name(request.dataset)}, {request.subject}, embedding space of {short_name(request.model)}"


def accuracies(result: DecodingResult) -> dict[str, Any]:
    """Give the accuracies of all voxels.

    Parameters
    ----------
    result : DecodingResult
        The result.

    Returns
    -------
    dict
        By candidate space: accuracies, p, and counts of regions.
    """
    by_space = {space: accuracy_table(result, space) for space in result.ranks}
    names = ("pairwise", "pairwise_chance", "top1", "top1_chance", "top5", "p")
    return {
        space: {
            **{name: round(float(table.iloc[0][name]), 4) for name in names},
            "n_regions": int((table["kind"] == "region").sum()),
            "n_regions_q05": int((table["q"] < ALPHA).sum()),
        }
        for space, table in by_space.items()
    }


def summary(result: DecodingResult) -> dict[str, Any]:
    """Give all that `--json` prints.

    Parameters
    ----------
    result : DecodingResult
        The result.

    Returns
    -------
    dict
        Plain values.
    """
    request = result.request
    rows = tables(result)["accuracy"].to_json(orient="records", double_precision=4)
    return {
        "dataset": request.dataset,
        "subject": request.subject,
        "model": request.model,
        "preset": request.preset,
        "n_stimuli": len(result.pool),
        "n_divisions": len(np.unique(result.pool)),
        "n_voxels": result.n_voxels,
        "smallest_p": round(result.smallest_p, 6),
        **accuracies(result),
        "rows": json.loads(rows),
        "simulated": result.simulated,
    }
