"""Records that cross the borders between packages: stimuli, responses, voxels, truth, results, flatmaps.

Letters used in shapes: n_samples rows in time (TRs, or sentences), first n_train of them training rows, the rest test
rows; n_voxels; n_items distinct stimuli (frames, sentences, images); n_repeats of the test run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import scipy.sparse

from brivl.core.columns import LazyArray

StimulusKind = Literal["image", "text", "features"]


@dataclass(frozen=True)
class Stimulus:
    """What was shown: distinct items, and the weight of each item in each sample.

    Features of a sample are `weights @ features(items)`, so frames are averaged within a TR, a sentence is itself,
    and an event that covers half a TR counts half.
    """

    kind: StimulusKind
    # text: n_items strings; image: (n_items, H, W, 3) uint8, or n_items image paths; features: empty
    items: Sequence | np.ndarray
    weights: scipy.sparse.csr_matrix  # (n_samples, n_items)
    # kind "features": model name -> (n_samples, n_features) or (n_layers, n_samples, n_features)
    features: Mapping[str, np.ndarray] = field(default_factory=dict)
    digest: str = ""  # of the items, where it is known without reading them all


@dataclass(frozen=True)
class Design:
    """How samples follow one another and which of them are held out."""

    tr: float | None  # s; None: one response per stimulus, so no delays
    n_train: int
    n_test: int  # 0: no test set, scores come from outer cross-validation
    run_onsets: np.ndarray  # (n_runs,) first training row of each run, starts at 0
    groups: np.ndarray | None = None  # (n_train,) what must not be split between folds (passage); None: the run
    test_onsets: np.ndarray = field(default_factory=lambda: np.zeros(1, int))  # first test row of each test run


@dataclass(frozen=True)
class Voxels:
    """Where voxels lie and what they belong to."""

    space: str  # said on every figure, e.g. "S1 (pycortex), fullhead", "MNI152, 4 mm", "native"
    ijk: np.ndarray  # (n_voxels, 3) int, index into a grid of `shape`, 0-based
    shape: tuple[int, int, int]
    affine: np.ndarray | None  # (4, 4) voxel index -> mm RAS
    rois: Mapping[str, np.ndarray] = field(default_factory=dict)  # name -> (n_voxels,) bool
    aal: np.ndarray | None = None  # (n_voxels,) int, 0 = none, 1..116 = AAL1
    flatmap: Literal["pycortex-S1", "fsaverage5", "slices", "mapper"] = "slices"
    mapper: str = ""  # flatmap "mapper", which the dataset itself brings: digest of the file that it comes from

    @property
    def n_voxels(self) -> int:
        return len(self.ijk)


@dataclass(frozen=True)
class Responses:
    """BOLD of one subject, unscaled. Columns with NaN or no variance are allowed; they are reported and not fitted.

    Large ones may be `Columns`, which stay in their file until they are sliced.
    """

    Y_train: np.ndarray | LazyArray  # (n_train, n_voxels) float32
    Y_test: np.ndarray | LazyArray | None  # (n_repeats, n_test, n_voxels) float32
    voxels: Voxels


@dataclass(frozen=True)
class Truth:
    """What was planted in a simulated subject."""

    layer: np.ndarray  # (n_voxels,) int, 1-based; 0 = no signal
    variance_fraction: np.ndarray  # (2, n_voxels) of (multimodal, unimodal) model; sums to 1, 0 for null voxels
    noise_ceiling: np.ndarray  # (n_voxels,) R2 that the noise-free signal reaches on the test responses
    oracle_split: np.ndarray  # (2, n_voxels) split R2 of the noise-free planted parts on the test responses (eq. 9)
    models: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class EncodingResult:
    """Scores of one fit. NaN where a voxel was not fitted (excluded or not selected)."""

    r2_joint: np.ndarray  # (n_voxels,)
    r2_split: np.ndarray  # (2, n_voxels), sums to r2_joint
    selected: np.ndarray  # (n_voxels,) bool, voxels that were fitted
    explainable_variance: np.ndarray | None  # (n_voxels,), data with repeats only
    band_weights: np.ndarray  # (2, n_voxels) kernel weight of each model, sums to 1
    excluded: Mapping[str, int] = field(default_factory=dict)  # reason -> number of voxels left out


@dataclass(frozen=True)
class FlatmapGeometry:
    """How voxel values become a picture. Row 0 is the top; left hemisphere on the left."""

    pixel_to_voxel: scipy.sparse.csr_matrix  # (n_pixels, n_voxels) rows sum to 1 where a pixel has data, else 0
    mask: np.ndarray  # (height, width) bool, n_pixels True entries in C order
    background: np.ndarray | None  # (height, width) float in 0..1, curvature or anatomy; NaN outside
    outlines: Mapping[str, Sequence[np.ndarray]]  # ROI -> polygons (n_points, 2) as (x, y) in pixels
    labels: Mapping[str, tuple[float, float]]  # ROI -> (x, y) of its name
    marks: Mapping[str, tuple[float, float]]  # "L" and "R" -> (x, y)
    space: str
