"""A plain folder whose responses are made from layer 2 of the features 'signal'; 'other' has no part in them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

N_RUNS, LENGTH, N_VOXELS = 4, 30, 12


def make_plain(folder: Path, about: dict | None = None) -> Path:
    """Samples without delays (no TR), four groups of 30 rows, one subject A of 12 voxels."""
    rng = np.random.default_rng(3)
    n = N_RUNS * LENGTH
    signal, other = rng.standard_normal((2, n, 5)), rng.standard_normal((2, n, 5))
    Y = signal[1] @ rng.standard_normal((5, N_VOXELS)) + 1.5 * rng.standard_normal((n, N_VOXELS))
    (folder / "features").mkdir(parents=True)
    (folder / "responses").mkdir()
    np.save(folder / "features" / "signal.npy", signal)
    np.save(folder / "features" / "other.npy", other)
    np.save(folder / "responses" / "A.npy", Y)
    np.save(folder / "run_onsets.npy", np.arange(N_RUNS) * LENGTH)
    np.save(folder / "groups.npy", np.repeat(np.arange(2 * N_RUNS), LENGTH // 2))
    (folder / "dataset.json").write_text(json.dumps({"title": "Plain sample", "licence": "CC0", **(about or {})}))
    return folder
