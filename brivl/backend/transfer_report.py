"""Is what was planted to be shared found, and nothing where nothing is shared? The bars of the evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np

from brivl.backend.datasets import open_dataset
from brivl.backend.transfer import transfer
from brivl.backend.transfer_asked import MODALITIES, TransferAsked
from brivl.backend.transfer_tables import regions_of, summary
from brivl.data.phantom_stories import NAME
from brivl.store.artifacts import Store

BAR, NULL_BAR = 0.7, 0.05  # subspace correlation; share of regions at q < .05 where nothing is shared
NEAR = 0.05  # mean r over regions where nothing is shared, at most, either way
ALPHA = 0.05


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
        "subspace_correlation": round(float(np.mean(subspaces)), 4), "bar": BAR,
        "null_share_regions_q05": round(q05, 4), "null_share_regions_p05": round(p05, 4), "null_bar": NULL_BAR,
        "null_mean_r": round(mean, 4), "null_near": NEAR, "passes": bool(ok),
        "planted": {subject: summary(one) for subject, one in found.items()},
        "null": {subject: summary(one) for subject, one in nulls.items()}, "simulated": True,
    }  # fmt: skip
