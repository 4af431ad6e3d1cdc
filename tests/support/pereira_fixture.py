"""Files of Pereira et al. (2018) as they are published, in both generations and with their quirks, at a small size."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brivl.data.anatomy.aal import N_LABELS
from brivl.data.pereira2018.fixture_files import (
    LabelledVoxels,
    ReadSentences,
    cell_column,
    meta_struct,
    sentence_variables,
    subject_file,
    write_variables,
)
from brivl.data.pereira2018.passages import load_passages

__all__ = ["LabelledVoxels", "cell_column", "meta_struct"]  # handed on
SHAPE = (9, 11, 7)


def make_brain(n_voxels: int = 130, seed: int = 0) -> LabelledVoxels:
    """Voxels in column-major order of the grid, as in the files; labels 0..116, each at least once if there is room."""
    rng = np.random.default_rng(seed)
    linear = np.sort(rng.choice(np.prod(SHAPE), n_voxels, replace=False))
    aal = rng.permutation(np.arange(n_voxels) % (N_LABELS + 1))
    return LabelledVoxels(np.stack(np.unravel_index(linear, SHAPE, order="F"), axis=1), aal, SHAPE)


def sentences(n: int) -> tuple[list[str], np.ndarray]:
    """The first n sentences of the project's own passages, and their passages counted from 1."""
    passages = load_passages()
    return list(passages.sentences[:n]), passages.passage[:n] + 1


def write_subject(
    folder: Path, subject: str, Y: np.ndarray, brain: LabelledVoxels, generation: str = "A", experiment: str = "2"
) -> Path:
    """One subject's file of experiment "2" or "3", one row of Y (n_sentences, n_voxels) for each sentence."""
    variables = sentence_variables(Y, ReadSentences(*sentences(len(Y))), brain, generation, experiment)
    return write_variables(subject_file(folder, subject, generation, experiment), variables)


def write_concepts(folder: Path, subject: str, Y: np.ndarray, brain: LabelledVoxels, kind: str = "sentences") -> Path:
    """One subject's file of experiment 1: concepts with their words."""
    words = [f"concept{i}" for i in range(len(Y))]
    mat = {
        "examples": Y,
        "keyConcept": cell_column(words),
        "labelsConcept": np.arange(1.0, len(Y) + 1)[:, None],
        "keyPOS": cell_column(["noun"]),
        "meta": meta_struct(brain, "A"),
    }
    return write_variables(folder / subject / f"examples_180concepts_{kind}.mat", mat)
