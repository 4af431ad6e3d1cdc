"""Small made-up inputs for the figure tests: a flatmap of two ellipses, scores by layer and by region."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse

from brivl.core.records import FlatmapGeometry
from brivl.viz.flatmap.painting import MapScores
from brivl.viz.style import FigureLabel

NAMES = ("brivl-mini", "vit-mini")
LABEL = FigureLabel("Layer 8: A first", "Caption.", simulated=True, detail="phantom-movie, strict")


def flatmap(height: int = 40, width: int = 100, step: int = 4) -> FlatmapGeometry:
    """Two ellipses; voxels are squares of step x step pixels; one large ROI, one small, one drawn on both sides."""
    y, x = np.mgrid[:height, :width]
    centres = (0.25 * width, 0.75 * width)
    mask = np.any([((x - c) / (0.23 * width)) ** 2 + ((y - height / 2) / (0.46 * height)) ** 2 < 1 for c in centres], 0)
    block = (y // step) * (width // step + 1) + x // step
    used, voxel = np.unique(block[mask], return_inverse=True)
    weights = scipy.sparse.csr_matrix(
        (np.ones(len(voxel)), (np.arange(len(voxel)), voxel)), shape=(len(voxel), len(used))
    )
    background = np.where(mask, 0.5 + 0.5 * np.sin(x / (0.02 * width)) * np.cos(y / (0.06 * height)), np.nan)
    size = 0.1 * width
    outlines = {
        "V1": [_ellipse(centres[0] + size, height / 2, size, 0.2 * height)],
        "superior temporal gyrus": [_ellipse(centres[0] - size, height / 3, 0.3 * size, 0.1 * height)],
        "FFA": [_ellipse(c, 0.75 * height, 0.5 * size, 0.1 * height) for c in centres],
    }
    labels = {name: tuple(polygons[0].mean(0)) for name, polygons in outlines.items()}
    marks = {"L": (0.02 * width, 0.05 * height), "R": (0.98 * width, 0.05 * height)}
    return FlatmapGeometry(weights, mask, background, outlines, labels, marks, "made-up, two ellipses")


def _ellipse(x: float, y: float, a: float, b: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.stack([x + a * np.cos(angle), y + b * np.sin(angle)], axis=1)


def map_scores(n_voxels: int, seed: int = 0) -> MapScores:
    """Random pair of split R² that adds up; the first voxel was not fitted, the second is negative."""
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0, 0.1, (2, n_voxels))
    a[0] = b[0] = np.nan
    a[1], b[1] = -0.02, -0.01
    rois = {"V1": np.arange(n_voxels) % 3 == 0, "FFA": np.arange(n_voxels) % 6 == 0}
    return MapScores(a + b, a, b, NAMES, rois)


def layer_table(n_subjects: int, layers: range | list[int] = range(1, 13), seed: int = 0) -> pd.DataFrame:
    """Scores by layer with the columns of `brivl.analyses.layers.figures`."""
    rng = np.random.default_rng(seed)
    rows = [(layer, f"S{i + 1:02d}", *rng.uniform(0, 0.01 * layer, 2)) for i in range(n_subjects) for layer in layers]
    table = pd.DataFrame(rows, columns=["layer", "subject", "r2_split_a", "r2_split_b"])
    return table.assign(r2_joint=table["r2_split_a"] + table["r2_split_b"])


def region_tables(n_regions: int, n_subjects: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Table of means and table of subjects with the columns of `brivl.analyses.regions.figures`."""
    rng = np.random.default_rng(seed)
    names = [f"Region {i}" for i in range(n_regions)]
    rows = [(name, f"P{i + 1:02d}", *rng.uniform(0, 0.1, 2)) for name in names for i in range(n_subjects)]
    subjects = pd.DataFrame(rows, columns=["region", "subject", "a", "b"])
    subjects["joint"] = subjects["a"] + subjects["b"]
    means = subjects.groupby("region", sort=False)[["joint", "a", "b"]].mean().reset_index()
    return means.assign(p=rng.uniform(0, 1, n_regions), q=np.nan), subjects
