"""A transfer as tables and sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from brivl.analyses.transfer.request import MODALITIES, MOVIE, MULTIMODAL, STORIES, UNIMODAL, TransferAsked
from brivl.analyses.transfer.result import Transfer, transfer
from brivl.core.numbers import number, p_text
from brivl.core.regions.region_stats import bh_q
from brivl.data.phantoms.stories import NAME
from brivl.data.registry import open_dataset
from brivl.store.artifacts import Store

BAR, NULL_BAR = 0.7, 0.05  # subspace correlation; share of regions at q < .05 where nothing is shared
NEAR = 0.05  # mean r over regions where nothing is shared, at most, either way


def evaluate_transfer(store: Store, n_subjects: int, name: str = NAME) -> dict[str, Any]:
    """The first n_subjects of the phantom, and of the one that shares nothing. name may carry a size."""
    subjects = open_dataset(name, store).subjects[:n_subjects]
    null_name = f"{name}{',' if ':' in name else ':'}null"
    found = {subject: transfer(store, TransferAsked(name, subject)) for subject in subjects}
    nulls = {subject: transfer(store, TransferAsked(null_name, subject)) for subject in subjects}
    subspaces = [(one.info["truth"]["subspace"] or {"mean": 0.0})["mean"] for one in found.values()]
    rows = [regions_of(one, modality) for one in nulls.values() for modality in MODALITIES]
    q05, p05 = (float(np.mean(np.concatenate([part[c] < ALPHA for part in rows]))) for c in ("q", "p"))
    mean = float(np.mean(np.concatenate([part["across"] for part in rows])))
    ok = min(subspaces) >= BAR and q05 <= NULL_BAR and abs(mean) <= NEAR
    return {
        "subspace_correlation": round(float(np.mean(subspaces)), 4),
        "bar": BAR,
        "null_share_regions_q05": round(q05, 4),
        "null_share_regions_p05": round(p05, 4),
        "null_bar": NULL_BAR,
        "null_mean_r": round(mean, 4),
        "null_near": NEAR,
        "passes": bool(ok),
        "planted": {subject: summary(one) for subject, one in found.items()},
        "null": {subject: summary(one) for subject, one in nulls.items()},
        "simulated": True,
    }


ALPHA = 0.05
PREDICTED = {MOVIE: "film predicted from stories", STORIES: "stories predicted from the film"}


def transfer_table(found: Transfer) -> pd.DataFrame:
    """One row per region and modality predicted, the whole first: mean r within and across, p, q, both sets of models.

    "ratio" is across over within, where the latter is above 0.05; "p better": the multimodal set carries better than
    the unimodal one, one-sided; "q better" over the regions of the modality.
    """
    parts = []
    for modality in MODALITIES:
        part = pd.DataFrame({"region": found.regions, "n_voxels": found.n_voxels, "predicted": modality})
        for name in (MULTIMODAL, UNIMODAL):
            tail = "" if name == MULTIMODAL else f" {UNIMODAL}"
            for what in ("within", "raw", "across", "p", "q"):
                part[f"{what}{tail}"] = found.scores[name, modality, what]
        part["turned"] = part["region"].isin(found.info["turned"][MULTIMODAL])
        within = part["within"].to_numpy()
        part["ratio"] = np.where(within > 0.05, part["across"] / np.where(within > 0.05, within, 1), np.nan)
        part["p better"] = found.better_p[modality]
        part["q better"] = np.r_[np.nan, bh_q(found.better_p[modality][1:])]
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def regions_of(found: Transfer, modality: str) -> pd.DataFrame:
    """Rows of the regions, without the whole, for one modality predicted."""
    table = transfer_table(found)
    return table[(table["predicted"] == modality) & (table["region"] != found.info["whole"])]


def component_table(found: Transfer) -> pd.DataFrame:
    """One row per component: share of variance, agreement of loadings, what goes through it both ways, words."""
    shared = found.shared
    if shared is None:
        return pd.DataFrame()
    return pd.DataFrame(
        {
            "component": np.arange(len(shared.explained)) + 1,
            "explained": shared.explained,
            "agreement": shared.agreement,
            "r movie": shared.r[0],
            "p movie": shared.p[0],
            "r stories": shared.r[1],
            "p stories": shared.p[1],
            "shared": (shared.p < ALPHA).all(0),
            "high": [", ".join(high) for high, _ in shared.words],
            "low": [", ".join(low) for _, low in shared.words],
        }
    )


def headline(found: Transfer) -> str:
    """What came out, in one sentence."""
    counts = {m: int((regions_of(found, m)["q"] < ALPHA).sum()) for m in MODALITIES}
    n = len(found.regions) - 1
    if not n:
        p = found.scores[MULTIMODAL, MOVIE, "p"][0]
        return f"From stories to the film over all voxels: {p_text(p)}"
    return f"Stories predict the film in {counts[MOVIE]} of {n} regions, the film predicts stories in {counts[STORIES]}"


def said(found: Transfer) -> str:
    """How it was done."""
    info = found.info
    turned = info["turned"][MULTIMODAL]
    signs = (
        f"In {', '.join(turned)} transferred predictions were turned round, since both ways they were negative in the "
        "training runs. "
        if turned
        else "No region of visual cortex had its sign turned round. "
    )
    blocks = " and ".join(f"{info['n_blocks'][m]} of {'stories' if m == STORIES else 'the film'}" for m in MODALITIES)
    where = "the test run" if all(info["tested"].values()) else "held-out runs"
    return (
        f"{signs}r is of {where} of the modality predicted, mean over voxels. p: {info['blocks']} of responses "
        f"change places ({blocks}); q over the regions of a direction."
    )


def summary(found: Transfer) -> dict[str, Any]:
    """Numbers of one transfer, by modality predicted, and what was planted."""
    shown: dict[str, Any] = {}
    for modality in MODALITIES:
        rows = regions_of(found, modality)
        shown[modality] = {
            "r_within": _mean(found.scores[MULTIMODAL, modality, "within"]),
            "r_across": _mean(found.scores[MULTIMODAL, modality, "across"]),
            "r_across_unimodal": _mean(found.scores[UNIMODAL, modality, "across"]),
            "r_raw": _mean(found.scores[MULTIMODAL, modality, "raw"]),
            "n_regions": len(rows),
            "n_regions_p05": int((rows["p"] < ALPHA).sum()),
            "n_regions_q05": int((rows["q"] < ALPHA).sum()),
            "n_better_q05": int((rows["q better"] < ALPHA).sum()),
        }
    components = component_table(found)
    shown |= {
        "turned": found.info["turned"][MULTIMODAL],
        "n_multimodal_voxels": found.info["n_multimodal"],
        "n_shared_components": int(components["shared"].sum()) if len(components) else 0,
        "map_r2": [round(x, 4) for x in found.info["maps"][MULTIMODAL]],
    }
    return shown | _planted(found)


def _mean(values: np.ndarray) -> float:
    """Of the whole."""
    return round(float(values[0]), 4)


def _planted(found: Transfer) -> dict[str, Any]:
    """Scores of regions where something was planted to be shared, and where nothing was."""
    truth = found.info.get("truth")
    if not truth:
        return {}
    shared = truth["shared_regions"]
    shown = dict(truth)
    for modality in MODALITIES:
        rows = regions_of(found, modality)
        inside = rows["region"].isin(shared)
        shown[modality] = {
            "r_across_shared": _of(rows[inside]["across"]),
            "r_within_shared": _of(rows[inside]["within"]),
            "r_across_elsewhere": _of(rows[~inside]["across"]),
            "q05_shared": int((rows[inside]["q"] < ALPHA).sum()),
            "n_shared": int(inside.sum()),
            "q05_elsewhere": int((rows[~inside]["q"] < ALPHA).sum()),
            "n_elsewhere": int((~inside).sum()),
        }
    return {"truth": shown}


def _of(values: pd.Series) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None


def better_said(found: Transfer) -> str:
    """How the multimodal set compares with the unimodal one, in one sentence."""
    parts = []
    for modality in (MOVIE, STORIES):
        rows = regions_of(found, modality)
        a, b = (found.scores[name, modality, "across"][0] for name in (MULTIMODAL, UNIMODAL))
        n = int((rows["q better"] < ALPHA).sum())
        parts.append(f"{PREDICTED[modality]}: r {number(a)} against {number(b)}, better in {n} of {len(rows)} regions")
    return "Multimodal against unimodal features, " + "; ".join(parts) + " (q < .05)."
