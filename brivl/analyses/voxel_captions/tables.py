"""Voxel captions as tables and sentences."""

from __future__ import annotations

from typing import Any

import pandas as pd

from brivl.analyses.voxel_captions.compute import MIN_R2, N_WORDS, VoxelCaptionsResult
from brivl.analysis import Options


def region_table(result: VoxelCaptionsResult) -> pd.DataFrame:
    """Tabulate regions.

    Parameters
    ----------
    result : VoxelCaptionsResult
        The result.

    Returns
    -------
    DataFrame
        One row per region: predicted voxels, mean held-out R2, words, nearest sentence, generated sentence.
    """
    rows = [
        {
            "region": name,
            "n_voxels": one.n_voxels,
            "r2": round(one.r2, 3),
            "words": ", ".join(one.words),
            "sentence": one.sentences[0],
            "generated": one.generated,
        }
        for name, one in result.regions.items()
    ]
    return pd.DataFrame(rows, columns=["region", "n_voxels", "r2", "words", "sentence", "generated"])


def voxel_table(result: VoxelCaptionsResult) -> pd.DataFrame:
    """Tabulate voxels.

    Parameters
    ----------
    result : VoxelCaptionsResult
        The result.

    Returns
    -------
    DataFrame
        One row per fitted voxel.
    """
    nearest = [result.corpus[row[0]] for row in result.sentences]
    return pd.DataFrame(
        {
            "voxel": result.voxel_indices,
            "r2": result.r2,
            "words": [", ".join(result.vocabulary[i] for i in row) for row in result.words],
            "sentence": nearest,
            "generated": list(result.generated) or [""] * len(nearest),
        }
    )


def tables(result: VoxelCaptionsResult) -> dict[str, pd.DataFrame]:
    """Tabulate voxels and regions.

    Parameters
    ----------
    result : VoxelCaptionsResult
        The result.

    Returns
    -------
    dict
        Tables by name.
    """
    return {"voxels": voxel_table(result), "regions": region_table(result)}


def numbers(result: VoxelCaptionsResult) -> dict[str, Any]:
    """Give the numbers of the whole brain.

    Parameters
    ----------
    result : VoxelCaptionsResult
        The result.

    Returns
    -------
    dict
        Counts, agreement with held-out responses, and agreement with the simulated truth.
    """
    return {
        "n_voxels": len(result.voxel_indices),
        "n_predicted": int((result.r2 > MIN_R2).sum()),
        "truth": result.truth,
        "agreement": result.agreement,
        "agreement_shuffled": result.shuffled,
    }


def summary(result: VoxelCaptionsResult) -> dict[str, Any]:
    """Give all that `--json` prints.

    Parameters
    ----------
    result : VoxelCaptionsResult
        The result.

    Returns
    -------
    dict
        Plain values.
    """
    request = result.request
    regions = {
        name: {
            "words": list(one.words),
            "sentences": list(one.sentences),
            "written": one.generated,
            "n_voxels": one.n_voxels,
            "r2": one.r2,
            "rows": list(one.rows),
        }
        for name, one in result.regions.items()
    }
    return {
        "dataset": request.dataset,
        "subject": request.subject,
        "model": request.model,
        "preset": request.preset,
        **numbers(result),
        "regions": regions,
        "simulated": result.simulated,
    }


def headline(result: VoxelCaptionsResult, options: Options) -> str:
    """State the finding.

    Parameters
    ----------
    result : VoxelCaptionsResult
        The result.
    options : mapping
        Not used.

    Returns
    -------
    str
        One sentence without its period.
    """
    truth = result.truth
    if truth is not None:
        return (
            f"Top-{N_WORDS} words contain the true (simulated) category in {100 * truth['named']:.1f} % of "
            f"{truth['n']:,} selective voxels (shuffled: {100 * truth['by_chance']:.1f} %)"
        )
    if result.agreement is not None:
        return f"Caption-image similarity predicts held-out responses, {agreement_text(result)}"
    n = int((result.r2 > MIN_R2).sum())
    return f"{n:,} of {len(result.r2):,} voxels are predicted well enough to be captioned (R² > {MIN_R2:g})"


def caption(result: VoxelCaptionsResult, options: Options) -> str:
    """Say what the figure shows.

    Parameters
    ----------
    result : VoxelCaptionsResult
        The result.
    options : mapping
        Not used.

    Returns
    -------
    str
        Full sentences.
    """
    if not result.regions:
        return f"No region has five voxels that are predicted with R² above {MIN_R2:g}."
    return (
        "Mean held-out R² of the predicted voxels of each region, with the three words nearest to their mean encoding "
        "weights."
    )


def agreement_text(result: VoxelCaptionsResult) -> str:
    """Write the correlation of caption-image similarity and held-out responses, with that of shuffled captions.

    Parameters
    ----------
    result : VoxelCaptionsResult
        A result with agreement.

    Returns
    -------
    str
        Both with two decimals.
    """
    own, shuffled = (f"{value or 0.0:.2f}".replace("-0.00", "0.00") for value in (result.agreement, result.shuffled))
    return f"r = {own} (shuffled captions: {shuffled})".replace("-", "\N{MINUS SIGN}")


def truth_sentence(result: VoxelCaptionsResult) -> str:
    """Say how often generated sentences name the true category of simulated voxels.

    Parameters
    ----------
    result : VoxelCaptionsResult
        The result.

    Returns
    -------
    str
        A sentence; "" where the truth is not known or nothing was generated.
    """
    truth = result.truth or {}
    if "said" not in truth:
        return ""
    return (
        f"The generated sentence names the true (simulated) category in {100 * truth['said']:.1f} % of {truth['n']:,} "
        f"selective voxels (shuffled: {100 * truth['said_by_chance']:.1f} %)."
    )


def methods(result: VoxelCaptionsResult) -> str:
    """Describe how the captions were made.

    Parameters
    ----------
    result : VoxelCaptionsResult
        The result.

    Returns
    -------
    str
        The methods paragraph.
    """
    request = result.request
    source = f"the file {request.corpus}" if request.corpus else "the captions of the shipped gallery"
    source = "the sentences of the dataset" if result.stimulus_kind == "text" and not request.corpus else source
    generated = (
        " A caption decoder that was trained on texts alone, with noise added to their embeddings, generated a "
        "sentence from each projected point."
        if result.generated
        else ""
    )
    return (
        f"Ridge regression from the embedding of the stimuli by {request.model} (preset {request.preset!r}) predicted "
        f"{len(result.voxel_indices):,} voxels of {request.subject}. The weight vector of each voxel was projected "
        "onto the embeddings of the stimuli (softmax, temperature 1/150) and compared with embeddings of words and "
        f"sentences by the cosine; the sentences were {source}. Regions were captioned from the mean weights of their "
        f"voxels with held-out R² above {MIN_R2:g}.{generated}"
    )


def detail(result: VoxelCaptionsResult) -> str:
    """Say what the result is of.

    Parameters
    ----------
    result : VoxelCaptionsResult
        The result.

    Returns
    -------
    str
        Dataset, subject, embedding.
    """
    return f"{result.request.dataset}, {result.request.subject}, embedding space of {result.request.model}"
