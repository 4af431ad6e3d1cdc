"""Records that packages exchange: stimuli, responses, voxels, ground truth, results, flatmaps.

Names in shapes: n_samples rows in time (TRs, or sentences), of which the first n_train are training rows and the others
test rows; n_voxels; n_items distinct stimuli (frames, sentences, images); n_repeats of the test run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import scipy.sparse

from brivl.core.columns import LazyArray
from brivl.errors import DataError

StimulusKind = Literal["image", "text", "features"]


@dataclass(frozen=True)
class Stimulus:
    """The stimulus: distinct items, and the weight of each item in each sample.

    Features of a sample are `weights @ features(items)`. Frames are thus averaged within a TR, a sentence has its own
    features, and an event that covers half a TR has half the weight.
    """

    kind: StimulusKind
    # text: n_items strings; image: (n_items, H, W, 3) uint8, or n_items image paths; features: empty
    items: Sequence | np.ndarray
    weights: scipy.sparse.csr_matrix  # (n_samples, n_items)
    # kind "features": model name -> (n_samples, n_features) or (n_layers, n_samples, n_features)
    features: Mapping[str, np.ndarray] = field(default_factory=dict)
    digest: str = ""  # of the items, where it is available without reading them all


@dataclass(frozen=True)
class RunCleaning:
    """Linear cleaning of each run, applied to responses on whole runs, and to delayed features in the same way.

    Without the second, features keep what was removed from responses, such as slow drift, and predict it in vain.
    Operators are made when they are needed, since pages that only count samples must read no BOLD.
    """

    kept: np.ndarray  # (n_train + n_test,) bool; False for volumes that are neither fitted nor scored
    make_operators: Callable[[], Sequence[np.ndarray]]

    @cached_property
    def operators(self) -> Sequence[np.ndarray]:
        """Operator (n_run, n_run) of each training run, then of each test run; 0 where volumes are not kept."""
        return self.make_operators()

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Clean columns within runs.

        Parameters
        ----------
        values : np.ndarray
            (n_train + n_test, n_columns).

        Returns
        -------
        np.ndarray
            (n_train + n_test, n_columns) in the type of the values; 0 in volumes that are not kept.
        """
        cleaned, start = np.empty_like(values), 0
        for operator in self.operators:
            rows = slice(start, start + len(operator))
            cleaned[rows] = operator @ values[rows]
            start += len(operator)
        return cleaned


@dataclass(frozen=True)
class Design:
    """The order of the samples in time, and which of them are held out."""

    tr: float | None  # seconds; None: one response per stimulus, so no delays
    n_train: int
    n_test: int  # 0: no test set, scores come from outer cross-validation
    run_onsets: np.ndarray  # (n_runs,) first training row of each run, starts at 0
    groups: np.ndarray | None = None  # (n_train,) labels of rows that stay in one fold (passage); None: the run
    test_onsets: np.ndarray = field(default_factory=lambda: np.zeros(1, int))  # first test row of each test run
    # (n_train + n_test, n_regressors) regressed out of responses and features, such as stimulus on/off
    nuisance: np.ndarray | None = None
    cleaning: RunCleaning | None = None  # how responses were cleaned; None: nothing that features must undergo too


_MNI = re.compile(r"(?<![-\w])MNI")
_STANDARD = re.compile(r"\bMNI|fsaverage|fs_LR|native", re.IGNORECASE)


def names_mni(space: str) -> bool:
    """Tell whether the name of a space is that of MNI space.

    Parameters
    ----------
    space : str
        Name such as "MNI152, 4 mm" or "sub-01, MNI152NLin2009cAsym space".

    Returns
    -------
    bool
        True where MNI begins a word; a subject called sub-MNI01 is no space.
    """
    return _MNI.search(space) is not None


def describe_space(space: str) -> str:
    """Name a space for readers: one that is no standard space is called native, so that nobody reads it as MNI.

    Parameters
    ----------
    space : str
        Name of the space, as in `Voxels.space`.

    Returns
    -------
    str
        Such as "MNI152, 4 mm" or "S1 (pycortex), fullhead, native space (not MNI)".
    """
    return space if _STANDARD.search(space) else f"{space}, native space (not MNI)"


@dataclass(frozen=True)
class SurfaceVertices:
    """Which voxels are vertices of a cortical surface, and on which vertices of a template they are drawn.

    The meshes of both hemispheres are joined, left first.
    """

    mesh: str  # of the data, such as "fsaverage5", "fs_LR 32k" or "fsnative"
    n_vertices: tuple[int, int]  # of the left and right mesh of the data
    structures: tuple[str, ...]  # CIFTI's names, such as "CIFTI_STRUCTURE_CORTEX_LEFT"
    structure: np.ndarray  # (n_voxels,) int, position in `structures`
    vertex: np.ndarray  # (n_voxels,) int, vertex of its hemisphere; -1 for a voxel in space, as subcortical ones
    template: str  # mesh on which the data are drawn: "fsaverage5" or "fs_LR 32k"
    drawn: np.ndarray  # (n_template_vertices,) int, voxel that a vertex of the template shows; -1 for none
    place: np.ndarray  # (n_voxels,) int, nearest vertex of the template; -1 where it is not known
    mm: np.ndarray | None = None  # (n_voxels, 3) MNI mm, of vertices at mid-thickness; NaN where not known
    affine: np.ndarray | None = None  # (4, 4) index of voxels in space -> mm
    shape: tuple[int, int, int] | None = None  # of the volume of voxels in space

    @property
    def n_in_space(self) -> int:
        """Number of voxels that are no vertices.

        Returns
        -------
        int
            Subcortical voxels of CIFTI data, else 0.
        """
        return int((self.vertex < 0).sum())


@dataclass(frozen=True)
class Parcellation:
    """An atlas that lies with the data, by the label of each voxel."""

    labels: np.ndarray  # (n_voxels,) int, 0 for none
    names: Mapping[int, str]  # of labels that voxels have; a label without a name is called by its number
    note: str = ""  # file and how it was brought to the voxels, one sentence


@dataclass(frozen=True)
class Voxels:
    """Positions of voxels and the regions that they belong to."""

    space: str  # named on every figure, e.g. "S1 (pycortex), fullhead", "MNI152, 4 mm", "native"
    ijk: np.ndarray  # (n_voxels, 3) int, index into a grid of `shape`, 0-based
    shape: tuple[int, int, int]
    affine: np.ndarray | None  # (4, 4) voxel index -> mm RAS
    rois: Mapping[str, np.ndarray] = field(default_factory=dict)  # name -> (n_voxels,) bool
    aal: np.ndarray | None = None  # (n_voxels,) int, 0 = none, 1..116 = AAL1
    flatmap: Literal["pycortex-S1", "fsaverage5", "slices", "mapper", "vertices"] = "slices"
    mapper: str = ""  # digest of the mapper file, where flatmap is "mapper", which is part of the dataset
    # Where flatmap is "vertices": `ijk` is then (vertex, 0, hemisphere) and, of voxels in space, the index; no affine.
    surface: SurfaceVertices | None = None
    parcellations: Mapping[str, Parcellation] = field(default_factory=dict)  # key that begins with "atlas-" -> atlas

    @property
    def in_mni(self) -> bool:
        """Whether coordinates in MNI space are known: by affine and name of the space, or as vertices of a template.

        Returns
        -------
        bool
            True for coordinates in MNI space.
        """
        if self.surface is not None:
            return self.surface.mm is not None
        return self.affine is not None and names_mni(self.space)

    @property
    def coordinate_label(self) -> str:
        """Unit of the coordinates with their space, so that native coordinates are not read as MNI.

        Returns
        -------
        str
            "MNI mm" or "native-space mm".
        """
        return "MNI mm" if self.in_mni else "native-space mm"

    def index_of(self, voxel: int) -> tuple[str, str]:
        """Name the place of a voxel in the data.

        Parameters
        ----------
        voxel : int
            Column of the responses.

        Returns
        -------
        tuple of str
            What the place is, and the place: ("index", "12, 40, 7"), or ("vertex", "left 5,123") on a surface.
        """
        if self.surface is not None and self.surface.vertex[voxel] >= 0:
            return "vertex", f"{'right' if self.ijk[voxel][2] else 'left'} {int(self.surface.vertex[voxel]):,}"
        return "index", ", ".join(str(int(i)) for i in self.ijk[voxel])

    @property
    def on_grid(self) -> bool:
        """Whether the voxels are places of a volume, which slices can show.

        Returns
        -------
        bool
            False for vertices of a mesh, columns of a mapper, and voxels whose places are not known.
        """
        return self.flatmap not in ("vertices", "mapper") and min(self.shape) > 1

    @property
    def n_voxels(self) -> int:
        """Number of voxels.

        Returns
        -------
        int
            Length of `ijk`.
        """
        return len(self.ijk)


@dataclass(frozen=True)
class Responses:
    """BOLD responses of one subject, unscaled.

    Columns with NaN or no variance are allowed; they are reported and not fitted. Large responses may be `LazyArray`,
    which stay in their file until they are sliced.
    """

    Y_train: np.ndarray | LazyArray  # (n_train, n_voxels) float32
    Y_test: np.ndarray | LazyArray | None  # (n_repeats, n_test, n_voxels) float32
    voxels: Voxels
    # Of single-trial responses whose items were repeated: (n_voxels,) fraction of signal in one trial, and the trials
    # that a row is the average of (the harmonic mean, where items differ).
    trial_ev: np.ndarray | None = None
    n_trials_averaged: float | None = None

    @property
    def repeats(self) -> np.ndarray | LazyArray:
        """Responses to the test run, of data that have one.

        Returns
        -------
        np.ndarray or LazyArray
            `Y_test`, (n_repeats, n_test, n_voxels).

        Raises
        ------
        DataError
            If there are no test responses.
        """
        if self.Y_test is None:
            raise DataError("Expected responses to a test run, got none. Use data with a test run.")
        return self.Y_test


@dataclass(frozen=True)
class Truth:
    """Ground truth of a simulated subject."""

    layer: np.ndarray  # (n_voxels,) int, layer counted from 1 whose features drive the voxel; 0 = no signal
    variance_fraction: np.ndarray  # (2, n_voxels) of (multimodal, unimodal) model; sums to 1, 0 for null voxels
    noise_ceiling: np.ndarray  # (n_voxels,) R2 of the noise-free signal on the test responses
    oracle_split: np.ndarray  # (2, n_voxels) split R2 of the two noise-free components on the test responses (eq. 9)
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
    # (n_voxels,) of nuisance regressors such as stimulus on/off, of which the other scores are what is left
    r2_nuisance: np.ndarray | None = None


@dataclass(frozen=True)
class FlatmapGeometry:
    """Projection of voxel values to an image. Row 0 is the top; the left hemisphere is on the left."""

    pixel_to_voxel: scipy.sparse.csr_matrix  # (n_pixels, n_voxels) rows sum to 1 where a pixel has data, else 0
    mask: np.ndarray  # (height, width) bool, n_pixels True entries in C order
    background: np.ndarray | None  # (height, width) float in 0..1, curvature or anatomy; NaN outside
    outlines: Mapping[str, Sequence[np.ndarray]]  # ROI -> polygons (n_points, 2) as (x, y) in pixels
    labels: Mapping[str, tuple[float, float]]  # ROI -> (x, y) of its name
    marks: Mapping[str, tuple[float, float]]  # "L" and "R" -> (x, y)
    space: str
