"""Captions of voxels as tables and sentences."""

from __future__ import annotations

from typing import Any

import pandas as pd

from brivl.analyses.voxel_captions.compute import N_WORDS, WELL, VoxelCaptions


def region_table(found: VoxelCaptions) -> pd.DataFrame:
    """One row per region: voxels that are predicted, their mean held-out R2, words and the nearest sentence."""
    rows = [
        {
            "region": name,
            "n_voxels": one["n_voxels"],
            "r2": round(one["r2"], 3),
            "words": ", ".join(one["words"]),
            "sentence": one["sentences"][0],
            "written": one["written"],
        }
        for name, one in found.regions.items()
    ]
    return pd.DataFrame(rows)


def voxel_table(found: VoxelCaptions) -> pd.DataFrame:
    """One row per fitted voxel."""
    words = [", ".join(found.vocabulary[i] for i in row) for row in found.words]
    best = [found.corpus[row[0]] for row in found.sentences]
    return pd.DataFrame(
        {
            "voxel": found.columns,
            "r2": found.r2,
            "words": words,
            "sentence": best,
            "written": found.written or [""] * len(best),
            "simulated": bool(found.info["simulated"]),
        }
    )


def summary(found: VoxelCaptions) -> dict[str, Any]:
    """Numbers of the whole."""
    info = found.info
    return {
        "n_voxels": info["n_voxels"],
        "n_predicted": int((found.r2 > WELL).sum()),
        "truth": info["truth"],
        "agreement": info["agreement"],
        "agreement_shuffled": info["shuffled"],
    }


def finding(found: VoxelCaptions) -> str:
    """What came out, in one sentence."""
    truth, info = found.info["truth"], found.info
    if truth is not None:
        return (
            f"The planted category is among the {N_WORDS} words of {100 * truth['named']:.1f} % of {truth['n']:,} "
            f"selective voxels (words of other voxels: {100 * truth['by_chance']:.1f} %)"
        )
    if info["agreement"] is not None:
        return (
            f"The likeness of picture and caption foretells a voxel's response with r = {info['agreement']:.2f} "
            f"(captions of other voxels: {info['shuffled']:.2f})"
        )
    n = int((found.r2 > WELL).sum())
    return f"{n:,} of {info['n_voxels']:,} voxels are predicted well enough to be put into words (R² > {WELL:g})"


def said_of_truth(found: VoxelCaptions) -> str:
    """How often what was written names the planted category, "" where nothing is known of either."""
    truth = found.info["truth"] or {}
    if "said" not in truth:
        return ""
    return (
        f"The sentence that was written for a voxel names its planted category in {100 * truth['said']:.1f} % of "
        f"{truth['n']:,} selective voxels (sentences of other voxels: {100 * truth['said_by_chance']:.1f} %)."
    )
