"""A folder in exactly the form in which the Algonauts 2023 challenge is published, at a small size."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brivl.data.algonauts2023.files import N_FSAVERAGE, REGIONS
from brivl.data.formats.images import write_png

N, LEFT, RIGHT = 24, 40, 30


def write_subject(folder: Path, name: str = "subj01", seed: int = 0) -> Path:
    """Responses of 24 pictures at 40 and 30 vertices, masks in both spaces, pickled mappings as published."""
    rng, subject = np.random.default_rng(seed), folder / name
    pictures, responses, masks = (
        subject / part for part in ("training_split/training_images", "training_split/training_fmri", "roi_masks")
    )
    for part in (pictures, responses, masks, subject / "test_split" / "test_images"):
        part.mkdir(parents=True)
    for i in range(N):
        image = rng.integers(0, 256, (8, 8, 3), np.uint8)
        write_png(pictures / f"train-{i + 1:04d}_nsd-{7 * i + 13:05d}.png", image)
    for side, n in (("lh", LEFT), ("rh", RIGHT)):
        np.save(responses / f"{side}_training_fmri.npy", rng.standard_normal((N, n)).astype(np.float32))
        where = np.sort(rng.choice(12_000, n, replace=False))
        _save(masks / f"{side}.all-vertices_fsaverage_space.npy", where, np.ones(n))
        for kind, names in REGIONS.items():
            labels = np.arange(n) % (len(names) + 1)
            np.save(masks / f"{side}.{kind}_challenge_space.npy", labels.astype(np.float32))
            _save(masks / f"{side}.{kind}_fsaverage_space.npy", where, labels)
    for kind, names in REGIONS.items():
        mapping = {0: "Unknown", **dict(enumerate(names, 1))}
        np.save(masks / f"mapping_{kind}.npy", np.array(mapping, object), allow_pickle=True)
    return subject


def _save(path: Path, where: np.ndarray, values: np.ndarray) -> None:
    whole = np.zeros(N_FSAVERAGE, np.float32)
    whole[where] = values
    np.save(path, whole)
