"""A decoding as tables and sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from brivl.analyses.decoding.compute import Decoded
from brivl.core.decoding.identification import pairwise_accuracy, top_k_accuracy
from brivl.core.numbers import probability
from brivl.core.regions.region_stats import bh_q

SPACES = {"image": "among pictures", "text": "among sentences"}


def decode_table(found: Decoded, space: str) -> pd.DataFrame:
    """One row per set of voxels: accuracies with chance, median rank (1 = best), p, and q over the regions."""
    rows = []
    for one, all_ranks, p in zip(found.sets, found.ranks[space], found.p[space], strict=True):
        pools = [all_ranks[found.pool == pool] for pool in np.unique(found.pool)]
        (first, by_chance), (five, five_by_chance) = top_k_accuracy(pools, 1), top_k_accuracy(pools, 5)
        rows.append(
            {
                "voxels": one["name"],
                "kind": one["kind"],
                "n_voxels": one["n_voxels"],
                "pairwise": pairwise_accuracy(pools),
                "top1": first,
                "top1_chance": by_chance,
                "top5": five,
                "top5_chance": five_by_chance,
                "median_rank": float(np.median(all_ranks)) + 1,
                "p": float(p),
                "q": np.nan,
            }
        )
    table = pd.DataFrame(rows)
    regions = table["kind"] == "region"
    table.loc[regions, "q"] = bh_q(table.loc[regions, "p"].to_numpy())
    return table


def n_candidates(found: Decoded) -> tuple[int, int]:
    """Fewest and most stimuli among which one is to be found."""
    counts = np.bincount(found.pool)
    return int(counts.min()), int(counts.max())


def headline(found: Decoded, space: str) -> str:
    """What came out, in one sentence."""
    whole = decode_table(found, space).iloc[0]
    low, high = n_candidates(found)
    n = f"{low}" if low == high else f"{low}–{high}"
    return (
        f"The right one of {n} stimuli comes first in {100 * whole['top1']:.0f} % (chance "
        f"{100 * whole['top1_chance']:.1f} %), and wins {100 * whole['pairwise']:.0f} % of pairs (chance 50 %)"
    )


def said(found: Decoded) -> str:
    """How it was done."""
    info = found.info
    low, high = n_candidates(found)
    among = f"{low}" if low == high else f"{low} to {high}"
    if info["tr"] is not None:
        what = f"Each stimulus is {info['window']} samples ({info['window'] * info['tr']:g} s) of the held-out runs"
    else:
        what = "Each stimulus is one held-out sentence; whole passages are held out together"
    smallest = probability(info["smallest_p"]).lstrip("= ")
    return (
        f"{what}; it competes with the others of its division ({among}). p is of pairwise accuracy, against "
        f"predictions shifted in a circle within each run; it cannot be smaller than {smallest} here. q is over the "
        "regions."
    )


def summary(found: Decoded) -> dict[str, Any]:
    """Numbers of all voxels, by space."""
    tables = {space: decode_table(found, space) for space in found.ranks}
    return {
        space: {
            **{n: round(float(t.iloc[0][n]), 4) for n in ("pairwise", "top1", "top1_chance", "top5", "p")},
            "n_regions": int((t["kind"] == "region").sum()),
            "n_regions_q05": int((t["q"] < 0.05).sum()),
        }
        for space, t in tables.items()
    }
