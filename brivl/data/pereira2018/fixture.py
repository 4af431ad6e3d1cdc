"""A folder in the form of Pereira et al. (2018), of any size: noise and a planted signal, no brain.

What is planted in half of the AAL regions: in every second of these the length of a sentence, in the others a level
for each kind of topic. Levels for each of the 24 topics were not found by fits: a sentence of a held-out passage tells
what kind of topic it is about, but hardly which.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brivl.core.progress import ProgressCallback
from brivl.data.anatomy.aal import mni_grid
from brivl.data.pereira2018.files import EXPERIMENTS
from brivl.data.pereira2018.fixture_files import (
    LabelledVoxels,
    ReadSentences,
    sentence_variables,
    subject_file,
    write_variables,
)
from brivl.data.pereira2018.passages import N_SENTENCES, Passages, load_passages
from brivl.data.phantoms.mark import mark_mat
from brivl.errors import RequestError

BATCH = 5000  # voxels
GRIDS_MM = (4.0, 3.0, 2.5, 2.0, 1.5)  # the coarsest with enough voxels in AAL regions is taken
MAX_EXPLAINED = 0.6  # share of the signal in the variance of a voxel, at most
BASELINE = 1.0
EXPERIMENT = "2"
LENGTH, TOPIC = 1, 3  # pairs of AAL regions (left and right), counted modulo 4, that follow one and the other
KINDS = (  # topics that share a level
    ("animals", "birds", "sea life", "insects"),
    ("drinks", "fruit", "vegetables", "gardening", "kitchen"),
    ("body", "clothing", "professions", "law and crime", "music", "sport", "medicine"),
    ("furniture", "workshop tools", "vehicles", "buildings", "dwellings"),
    ("landscape", "weather", "disasters"),
)


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


def write_simulated_pereira(folder: Path, size: PereiraSize, progress: ProgressCallback) -> None:
    """A file of experiment 2 for each subject below `folder`; progress(done, total, message)."""
    passages = load_passages()
    n = size.n_sentences
    read = ReadSentences(list(passages.sentences[:n]), passages.passage[:n] + 1)
    Z = sentence_properties(passages, n)
    for i, subject in enumerate(EXPERIMENTS[EXPERIMENT].subjects[: size.n_subjects]):
        progress(i, size.n_subjects, f"Writing {subject}")
        brain = _brain(size.n_voxels, np.random.default_rng([size.seed, i]))
        variables = sentence_variables(_responses(Z, brain, size.seed, i), read, brain, "A", EXPERIMENT)
        # Not compressed: noise hardly is, and scipy would hold it in memory twice for that.
        path = write_variables(subject_file(folder, subject), variables, compressed=False)
        mark_mat(path)
    progress(size.n_subjects, size.n_subjects, "Written")


def _brain(n_voxels: int, rng: np.random.Generator) -> LabelledVoxels:
    """n_voxels of an MNI grid that lie in AAL regions, cerebellum included, spread evenly; column-major order."""
    grid = next(grid for mm in GRIDS_MM if (grid := mni_grid(mm)).n_voxels >= n_voxels or mm == GRIDS_MM[-1])
    chosen = rng.choice(grid.n_voxels, min(n_voxels, grid.n_voxels), replace=False)
    linear = np.ravel_multi_index(tuple(grid.ijk[chosen].T), grid.shape, order="F")
    chosen = chosen[np.argsort(linear)]
    return LabelledVoxels(grid.ijk[chosen], grid.aal[chosen], grid.shape)


def planted_property(aal: np.ndarray) -> np.ndarray:
    """LENGTH, TOPIC or 0 for voxels of AAL regions (n_voxels,) 1..116; both sides of a region are alike."""
    pair = (aal + 1) // 2 % 4
    return np.where((pair == LENGTH) | (pair == TOPIC), pair, 0)


def sentence_properties(passages: Passages, n: int) -> np.ndarray:
    """Words in each of the first n sentences, then its kind of topic: (n, 1 + n_kinds) float32, standardised."""
    names = [passages.topic_names[topic] for topic in passages.topic[passages.passage[:n]]]
    kinds = np.array([[name in kind for kind in KINDS] for name in names])
    length = [len(sentence.split()) for sentence in passages.sentences[:n]]
    Z = np.column_stack([length, kinds]).astype(np.float32)
    return (Z - Z.mean(0)) / np.maximum(Z.std(0), 1e-6)


def _responses(Z: np.ndarray, brain: LabelledVoxels, seed: int, subject: int) -> np.ndarray:
    """(n_sentences, n_voxels) float32 in column-major order, as the file has it."""
    n_voxels = len(brain.aal)
    Y = np.empty((len(Z), n_voxels), np.float32, order="F")
    for start in range(0, n_voxels, BATCH):
        rng = np.random.default_rng([seed, subject, start])
        columns = slice(start, min(start + BATCH, n_voxels))
        planted = planted_property(brain.aal[columns])
        explained = np.where(planted > 0, rng.uniform(0, MAX_EXPLAINED, len(planted)), 0)
        weights = rng.standard_normal((Z.shape[1], len(planted)), dtype=np.float32)
        weights[:1, planted != LENGTH] = 0
        weights[1:, planted != TOPIC] = 0
        signal = Z @ weights
        signal *= np.sqrt(explained) / np.maximum(signal.std(0), 1e-6)
        noise = rng.standard_normal(signal.shape, dtype=np.float32)
        Y[:, columns] = BASELINE + signal + np.sqrt(1 - explained) * noise
    return Y
