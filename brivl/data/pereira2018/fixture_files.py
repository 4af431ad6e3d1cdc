"""Files in the form of Pereira et al. (2018), written from arrays for tests and simulated folders.

"A" (examples_*): flat fields roiMultimaskAAL, roisAAL, roiColumnsAAL. "B" (data_*): cells over 15 atlases, responses of
sentences and of passages, and passage labels as a row vector in experiment 3. All indices count from 1, first axis
fastest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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
MatValue = np.ndarray | int | Sequence[str] | Mapping[str, "MatValue"]  # what scipy writes as a MATLAB variable


@dataclass(frozen=True)
class LabelledVoxels:
    """Voxels of one subject, in the column-major order of the files.

    Attributes
    ----------
    ijk : (n_voxels, 3) array of int
        Grid indices, counted from 0.
    aal : (n_voxels,) array of int
        AAL1 labels, 0 to 116.
    shape : tuple of int
        Shape of the grid.
    """

    ijk: np.ndarray
    aal: np.ndarray
    shape: tuple[int, int, int]

    @property
    def cerebral(self) -> np.ndarray:  # numpydoc ignore=RT01
        """Mask (n_voxels,) of the voxels in the 90 cerebral regions."""
        return (self.aal >= 1) & (self.aal <= 90)


@dataclass(frozen=True)
class ReadSentences:
    """The sentences that subjects read.

    Attributes
    ----------
    sentences : list of str
        One sentence for each row of the responses.
    passage : (n_sentences,) array of int
        Passage of each sentence, counted from 1.
    """

    sentences: list[str]
    passage: np.ndarray


def cell_column(parts: Sequence[object]) -> np.ndarray:
    """Make a column cell array.

    Parameters
    ----------
    parts : sequence
        Content of the cells.

    Returns
    -------
    (n, 1) array of object
        Cell array as scipy writes it.
    """
    cell = np.empty((len(parts), 1), object)
    for i, part in enumerate(parts):
        cell[i, 0] = part
    return cell


def meta_struct(voxels: LabelledVoxels, generation: str) -> dict[str, MatValue]:
    """Make the struct `meta` of a file.

    Parameters
    ----------
    voxels : LabelledVoxels
        Voxels and their labels.
    generation : str
        "A" or "B".

    Returns
    -------
    dict
        Field names and values.
    """
    n = len(voxels.aal)
    linear = np.ravel_multi_index(tuple(voxels.ijk.T), voxels.shape, order="F")
    coord_to_col = np.zeros(voxels.shape)
    coord_to_col[tuple(voxels.ijk.T)] = np.arange(n) + 1
    common: dict[str, MatValue] = {
        "dimx": voxels.shape[0],
        "dimy": voxels.shape[1],
        "dimz": voxels.shape[2],
        "dimensions": np.array(voxels.shape, float),
        "indicesIn3D": (linear + 1.0)[:, None],
        "colToCoord": voxels.ijk + 1.0,
        "coordToCol": coord_to_col,
        "voxelsToNeighbours": np.full((n, 26), np.nan),
        "numberOfNeighbours": np.zeros((n, 1)),
    }
    columns = [(np.flatnonzero(voxels.aal == label) + 1.0)[:, None] for label in range(1, N_LABELS + 1)]
    return common | _atlas_fields(voxels, generation, cell_column(aal_region_names()), cell_column(columns))


def _atlas_fields(
    voxels: LabelledVoxels, generation: str, names: np.ndarray, columns: np.ndarray
) -> dict[str, MatValue]:
    """Make the AAL labels, and placeholders for all other atlases."""
    n, others = len(voxels.aal), len(ATLASES) - 1
    mask = voxels.aal[:, None].astype(np.uint8)
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
        "atlases": cell_column(ATLASES).T,
        "rois": cell_column([names] + [gordon] * others).T,
        "roiColumns": cell_column([columns] + [parcels] * others).T,
        "roiMultimask": cell_column([mask] + [np.zeros((n, 1))] * others).T,
    }


def sentence_variables(
    Y: np.ndarray, sentences: ReadSentences, voxels: LabelledVoxels, generation: str, experiment: str
) -> dict[str, MatValue]:
    """Make all variables of a subject's file of experiment 2 or 3.

    Parameters
    ----------
    Y : (n_sentences, n_voxels) array
        Responses.
    sentences : ReadSentences
        What was read.
    voxels : LabelledVoxels
        Voxels and their labels.
    generation : str
        "A" or "B".
    experiment : str
        "2" or "3".

    Returns
    -------
    dict
        Variable names and values.
    """
    items, passage = sentences.sentences, sentences.passage
    n_passages = int(passage.max())
    kinds = [cell_column([kind]) if NESTED[generation] else kind for kind in CATEGORIES]
    as_row = generation == "B" and experiment == "3"
    variables: dict[str, MatValue] = {
        "keySentences": cell_column(items),
        "labelsSentences": np.arange(1.0, len(items) + 1)[:, None],
        "labelsPassageForEachSentence": passage[None, :] if as_row else passage[:, None].astype(float),
        "labelsPassageCategory": (np.arange(n_passages) % len(CATEGORIES) + 1)[:, None],
        "keyPassageCategory": cell_column(kinds).T,
        "keyPassages": cell_column([" ".join(items[:4])] * n_passages),
        "meta": meta_struct(voxels, generation),
    }
    if generation == "A":
        return variables | {"examples": Y}
    return variables | {"examples_passagesentences": Y, "examples_passages": Y[:n_passages]}


def write_variables(path: Path, variables: Mapping[str, MatValue], compressed: bool = True) -> Path:
    """Write a MATLAB file.

    Parameters
    ----------
    path : Path
        The file; its folder is made.
    variables : mapping
        Variable names and values.
    compressed : bool
        MATLAB version 7 where True, else version 5.

    Returns
    -------
    Path
        `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, dict(variables), do_compression=compressed)
    return path


def subject_file(folder: Path, subject: str, generation: str = "A", experiment: str = "2") -> Path:
    """Return the path of a subject's file.

    Parameters
    ----------
    folder : Path
        Folder of all subjects.
    subject : str
        Subject.
    generation : str
        "A" or "B".
    experiment : str
        A key of EXPERIMENTS.

    Returns
    -------
    Path
        Path as published.
    """
    prefix = PREFIXES[0 if generation == "A" else 1]
    return folder / subject / f"{prefix}_{EXPERIMENTS[experiment].stem}.mat"
