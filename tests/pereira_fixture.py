"""Files of Pereira et al. (2018) as they are published, in both generations and with their quirks, at a small size.

"A" (examples_*): flat fields roiMultimaskAAL, roisAAL, roiColumnsAAL. "B" (data_*): cells over 15 atlases, responses of
sentences and of passages, and labels that lie down in experiment 3. Everything counts from 1, first axis fastest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from brivl.data.aal import N_LABELS, aal_names
from brivl.data.passages import load_passages

SHAPE = (9, 11, 7)
ATLASES = ("aal_1ofN", "languageParcelsConservative_aal", "languageParcels_aal", "semantic_aal",
           "multipleDemand_aal", "MD", "DMN", "languageLH", "languageRH", "visual_body", "visual_face",
           "visual_object", "visual_scene", "visual", "gordon")  # fmt: skip


@dataclass(frozen=True)
class Brain:
    """Voxels of one subject as the test knows them: counted from 0."""

    ijk: np.ndarray  # (n_voxels, 3)
    aal: np.ndarray  # (n_voxels,) 0..116
    shape: tuple[int, int, int] = SHAPE

    @property
    def cerebral(self) -> np.ndarray:
        return (self.aal >= 1) & (self.aal <= 90)


def make_brain(n_voxels: int = 130, seed: int = 0) -> Brain:
    """Voxels in column-major order of the grid, as in the files; labels 0..116, each at least once if there is room."""
    rng = np.random.default_rng(seed)
    linear = np.sort(rng.choice(np.prod(SHAPE), n_voxels, replace=False))
    aal = rng.permutation(np.arange(n_voxels) % (N_LABELS + 1))
    return Brain(np.stack(np.unravel_index(linear, SHAPE, order="F"), axis=1), aal)


def sentences(n: int) -> tuple[list[str], np.ndarray]:
    """The first n sentences of the project's own passages, and their passages counted from 1."""
    passages = load_passages()
    return list(passages.sentences[:n]), passages.passage[:n] + 1


def column(parts: list[Any]) -> np.ndarray:
    """A cell array that stands, (n, 1)."""
    cell = np.empty((len(parts), 1), object)
    for i, part in enumerate(parts):
        cell[i, 0] = part
    return cell


def meta_of(brain: Brain, generation: str) -> dict[str, Any]:
    """The struct `meta`."""
    n = len(brain.aal)
    linear = np.ravel_multi_index(tuple(brain.ijk.T), brain.shape, order="F")
    coord_to_col = np.zeros(brain.shape)
    coord_to_col[tuple(brain.ijk.T)] = np.arange(n) + 1
    common = {
        "dimx": brain.shape[0], "dimy": brain.shape[1], "dimz": brain.shape[2],
        "dimensions": np.array(brain.shape, float), "indicesIn3D": (linear + 1.0)[:, None],
        "colToCoord": brain.ijk + 1.0, "coordToCol": coord_to_col, "voxelsToNeighbours": np.full((n, 26), np.nan),
        "numberOfNeighbours": np.zeros((n, 1)),
    }  # fmt: skip
    names, columns = column(list(aal_names())), column(_columns(brain.aal, N_LABELS))
    mask = brain.aal[:, None].astype(np.uint8)
    gordon, parcels = column(["ROI1_Default_L_1_2_3"]), column([np.array([[1.0], [2.0]])])
    if generation == "A":
        return common | {"roiMultimaskAAL": mask, "roiMultimaskGordon": np.zeros((n, 1)), "roisAAL": names,
                         "roisGordon": gordon, "roiColumnsAAL": columns, "roiColumnsGordon": parcels}  # fmt: skip
    others = len(ATLASES) - 1
    return common | {
        "atlases": column(list(ATLASES)).T, "rois": column([names] + [gordon] * others).T,
        "roiColumns": column([columns] + [parcels] * others).T,
        "roiMultimask": column([mask] + [np.zeros((n, 1))] * others).T,
    }  # fmt: skip


def _columns(labels: np.ndarray, n: int) -> list[np.ndarray]:
    return [(np.flatnonzero(labels == label) + 1.0)[:, None] for label in range(1, n + 1)]


def write_subject(
    folder: Path, subject: str, Y: np.ndarray, brain: Brain, generation: str = "A", experiment: str = "2"
) -> Path:
    """One subject's file of experiment "2" or "3", one row of Y (n_sentences, n_voxels) for each sentence."""
    items, passage = sentences(len(Y))
    categories = np.arange(passage.max()) % 3 + 1
    kinds = ["Bird", "Tool", "Naïve café"]
    nested = column([column([kind]) if generation == "A" else kind for kind in kinds]).T
    lying = generation == "B" and experiment == "3"
    mat = {
        "keySentences": column(items), "labelsSentences": np.arange(1.0, len(items) + 1)[:, None],
        "labelsPassageForEachSentence": passage[None, :] if lying else passage[:, None].astype(float),
        "labelsPassageCategory": categories[:, None], "keyPassageCategory": nested,
        "keyPassages": column([" ".join(items[:4])] * int(passage.max())), "meta": meta_of(brain, generation),
    }  # fmt: skip
    mat |= {"examples": Y} if generation == "A" else {
        "examples_passagesentences": Y, "examples_passages": Y[: int(passage.max())]}  # fmt: skip
    stem = {"2": "384sentences", "3": "243sentences"}[experiment]
    path = folder / subject / f"{'examples' if generation == 'A' else 'data'}_{stem}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, mat, do_compression=True)
    return path


def write_concepts(folder: Path, subject: str, Y: np.ndarray, brain: Brain, kind: str = "sentences") -> Path:
    """One subject's file of experiment 1: concepts with their words."""
    words = [f"concept{i}" for i in range(len(Y))]
    mat = {"examples": Y, "keyConcept": column(words), "labelsConcept": np.arange(1.0, len(Y) + 1)[:, None],
           "keyPOS": column(["noun"]), "meta": meta_of(brain, "A")}  # fmt: skip
    path = folder / subject / f"examples_180concepts_{kind}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, mat, do_compression=True)
    return path
