"""Files in the form of Pereira et al. (2018), from arrays: what tests and simulated folders are made of.

"A" (examples_*): flat fields roiMultimaskAAL, roisAAL, roiColumnsAAL. "B" (data_*): cells over 15 atlases, responses of
sentences and of passages, and labels that lie down in experiment 3. Everything counts from 1, first axis fastest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from brivl.data.anatomy.aal import N_LABELS, aal_region_names
from brivl.data.pereira2018.files import EXPERIMENTS, PREFIXES

ATLASES = (
    "aal_1ofN",
    "languageParcelsConservative_aal",
    "languageParcels_aal",
    "semantic_aal",
    "multipleDemand_aal",
    "MD",
    "DMN",
    "languageLH",
    "languageRH",
    "visual_body",
    "visual_face",
    "visual_object",
    "visual_scene",
    "visual",
    "gordon",
)
CATEGORIES = ("Bird", "Tool", "Naïve café")
NESTED = {"A": True, "B": False}  # whether names of categories are cells within cells


@dataclass(frozen=True)
class LabelledVoxels:
    """Voxels of one subject, counted from 0, in the column-major order of the files."""

    ijk: np.ndarray  # (n_voxels, 3)
    aal: np.ndarray  # (n_voxels,) 0..116
    shape: tuple[int, int, int]

    @property
    def cerebral(self) -> np.ndarray:
        return (self.aal >= 1) & (self.aal <= 90)


@dataclass(frozen=True)
class ReadSentences:
    """What was read: a sentence for each row of the responses, and its passage counted from 1."""

    sentences: list[str]
    passage: np.ndarray  # (n_sentences,)


def cell_column(parts: list[Any]) -> np.ndarray:
    """A cell array that stands, (n, 1)."""
    cell = np.empty((len(parts), 1), object)
    for i, part in enumerate(parts):
        cell[i, 0] = part
    return cell


def meta_struct(brain: LabelledVoxels, generation: str) -> dict[str, Any]:
    """The struct `meta`."""
    n = len(brain.aal)
    linear = np.ravel_multi_index(tuple(brain.ijk.T), brain.shape, order="F")
    coord_to_col = np.zeros(brain.shape)
    coord_to_col[tuple(brain.ijk.T)] = np.arange(n) + 1
    common = {
        "dimx": brain.shape[0],
        "dimy": brain.shape[1],
        "dimz": brain.shape[2],
        "dimensions": np.array(brain.shape, float),
        "indicesIn3D": (linear + 1.0)[:, None],
        "colToCoord": brain.ijk + 1.0,
        "coordToCol": coord_to_col,
        "voxelsToNeighbours": np.full((n, 26), np.nan),
        "numberOfNeighbours": np.zeros((n, 1)),
    }
    columns = [(np.flatnonzero(brain.aal == label) + 1.0)[:, None] for label in range(1, N_LABELS + 1)]
    return common | _labels(brain, generation, cell_column(list(aal_region_names())), cell_column(columns))


def _labels(brain: LabelledVoxels, generation: str, names: np.ndarray, columns: np.ndarray) -> dict[str, Any]:
    """AAL labels, and stand-ins for all other atlases."""
    n, others = len(brain.aal), len(ATLASES) - 1
    mask = brain.aal[:, None].astype(np.uint8)
    gordon, parcels = cell_column(["ROI1_Default_L_1_2_3"]), cell_column([np.array([[1.0], [2.0]])])
    if generation == "A":
        return {
            "roiMultimaskAAL": mask,
            "roiMultimaskGordon": np.zeros((n, 1)),
            "roisAAL": names,
            "roisGordon": gordon,
            "roiColumnsAAL": columns,
            "roiColumnsGordon": parcels,
        }
    return {
        "atlases": cell_column(list(ATLASES)).T,
        "rois": cell_column([names] + [gordon] * others).T,
        "roiColumns": cell_column([columns] + [parcels] * others).T,
        "roiMultimask": cell_column([mask] + [np.zeros((n, 1))] * others).T,
    }


def sentence_variables(
    Y: np.ndarray, read: ReadSentences, brain: LabelledVoxels, generation: str, experiment: str
) -> dict[str, Any]:
    """All variables of a subject's file of experiment "2" or "3", one row of Y (n_sentences, n_voxels) a sentence."""
    items, passage = read.sentences, read.passage
    n_passages = int(passage.max())
    kinds = [cell_column([kind]) if NESTED[generation] else kind for kind in CATEGORIES]
    lying = generation == "B" and experiment == "3"
    variables = {
        "keySentences": cell_column(items),
        "labelsSentences": np.arange(1.0, len(items) + 1)[:, None],
        "labelsPassageForEachSentence": passage[None, :] if lying else passage[:, None].astype(float),
        "labelsPassageCategory": (np.arange(n_passages) % len(CATEGORIES) + 1)[:, None],
        "keyPassageCategory": cell_column(kinds).T,
        "keyPassages": cell_column([" ".join(items[:4])] * n_passages),
        "meta": meta_struct(brain, generation),
    }
    if generation == "A":
        return variables | {"examples": Y}
    return variables | {"examples_passagesentences": Y, "examples_passages": Y[:n_passages]}


def write_variables(path: Path, variables: dict[str, Any], compressed: bool = True) -> Path:
    """A MATLAB file of version 5 (compressed: 7)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, variables, do_compression=compressed)
    return path


def subject_file(folder: Path, subject: str, generation: str = "A", experiment: str = "2") -> Path:
    """Where a subject's file belongs."""
    prefix = PREFIXES[0 if generation == "A" else 1]
    return folder / subject / f"{prefix}_{EXPERIMENTS[experiment].stem}.mat"
