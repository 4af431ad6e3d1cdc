"""A folder in the form of Pereira et al. (2018), of any size: noise and a planted signal, no brain.

What is planted is a level for each topic of the project's own sentences, in the voxels of half of the AAL regions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brivl.data.aal import mni_grid
from brivl.data.passages import N_SENTENCES, Passages, load_passages
from brivl.data.pereira_files import EXPERIMENTS
from brivl.data.pereira_form import Brain, Read, file_of, sentence_variables, write_variables
from brivl.data.simulated_mark import mark_mat
from brivl.errors import RequestError

BATCH = 5000  # voxels
GRIDS_MM = (4.0, 3.0, 2.5, 2.0, 1.5)  # the coarsest with enough voxels in AAL regions is taken
MOST_EXPLAINED = 0.4  # share of the signal in the variance of a voxel, at most
BASELINE = 1.0
EXPERIMENT = "2"

Progress = Callable[[float, float, str], None]


@dataclass(frozen=True)
class PereiraSize:
    """How much is simulated; the published data have 8 subjects of up to 200,000 voxels and 384 sentences."""

    n_subjects: int = 8
    n_voxels: int = 50_000
    n_sentences: int = N_SENTENCES
    seed: int = 0

    def __post_init__(self) -> None:
        most = len(EXPERIMENTS[EXPERIMENT].subjects)
        if not (1 <= self.n_subjects <= most and 200 <= self.n_voxels <= 400_000):
            raise RequestError(
                f"Wanted 1 to {most} subjects of 200 to 400,000 voxels and got {self.n_subjects} of {self.n_voxels}."
            )
        if not 40 <= self.n_sentences <= N_SENTENCES:
            raise RequestError(f"Wanted 40 to {N_SENTENCES} sentences (samples) and got {self.n_sentences}.")

    @property
    def n_bytes(self) -> int:
        """About what the files take on disk."""
        return self.n_subjects * self.n_voxels * (4 * self.n_sentences + 300)


def write_simulated_pereira(folder: Path, size: PereiraSize, progress: Progress) -> None:
    """A file of experiment 2 for each subject below `folder`; progress(done, total, message)."""
    passages = load_passages()
    n = size.n_sentences
    read = Read(list(passages.sentences[:n]), passages.passage[:n] + 1)
    Z = _topics(passages, n)
    for i, subject in enumerate(EXPERIMENTS[EXPERIMENT].subjects[: size.n_subjects]):
        progress(i, size.n_subjects, f"Writing {subject}")
        brain = _brain(size.n_voxels, np.random.default_rng([size.seed, i]))
        variables = sentence_variables(_responses(Z, brain, size.seed, i), read, brain, "A", EXPERIMENT)
        # Not compressed: noise hardly is, and scipy would hold it in memory twice for that.
        path = write_variables(file_of(folder, subject), variables, compressed=False)
        mark_mat(path)
    progress(size.n_subjects, size.n_subjects, "Written")


def _brain(n_voxels: int, rng: np.random.Generator) -> Brain:
    """n_voxels of an MNI grid that lie in AAL regions, cerebellum included, spread evenly; column-major order."""
    grid = next(grid for mm in GRIDS_MM if (grid := mni_grid(mm)).n_voxels >= n_voxels or mm == GRIDS_MM[-1])
    chosen = rng.choice(grid.n_voxels, min(n_voxels, grid.n_voxels), replace=False)
    linear = np.ravel_multi_index(tuple(grid.ijk[chosen].T), grid.shape, order="F")
    chosen = chosen[np.argsort(linear)]
    return Brain(grid.ijk[chosen], grid.aal[chosen], grid.shape)


def _topics(passages: Passages, n: int) -> np.ndarray:
    """Which topic each of the first n sentences has: (n, n_topics) float32, columns standardised."""
    topic = passages.topic[passages.passage[:n]]
    Z = (topic[:, None] == np.unique(topic)).astype(np.float32)
    return (Z - Z.mean(0)) / np.maximum(Z.std(0), 1e-6)


def _responses(Z: np.ndarray, brain: Brain, seed: int, subject: int) -> np.ndarray:
    """(n_sentences, n_voxels) float32 in column-major order, as the file has it."""
    n_voxels = len(brain.aal)
    Y = np.empty((len(Z), n_voxels), np.float32, order="F")
    for start in range(0, n_voxels, BATCH):
        rng = np.random.default_rng([seed, subject, start])
        columns = slice(start, min(start + BATCH, n_voxels))
        n = columns.stop - columns.start
        explained = np.where((brain.aal[columns] + 1) // 2 % 2 == 1, rng.uniform(0, MOST_EXPLAINED, n), 0)
        signal = Z @ rng.standard_normal((Z.shape[1], n), dtype=np.float32)
        signal *= np.sqrt(explained) / np.maximum(signal.std(0), 1e-6)
        noise = rng.standard_normal(signal.shape, dtype=np.float32)
        Y[:, columns] = BASELINE + signal + np.sqrt(1 - explained) * noise
    return Y
