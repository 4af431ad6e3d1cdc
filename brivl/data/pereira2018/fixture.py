"""Simulated files in the form of Pereira et al. (2018), of any size: noise and a planted signal, no measurement.

Half of the AAL regions have a signal: in every second of these it follows the length of a sentence, in the others it
has a level for each kind of topic. Kinds are coarse on purpose: from a sentence of a held-out passage an encoding model
can predict the kind of its topic, but hardly which of the 24 topics it is, so levels of single topics are not
recovered.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brivl.core.parallel import one_thread_per_call
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

BATCH_SIZE = 5000  # voxels; part of the seeds, so another size gives other data
GRIDS_MM = (4.0, 3.0, 2.5, 2.0, 1.5)  # the coarsest grid with enough voxels in AAL regions is used
MAX_EXPLAINED = 0.6  # largest fraction of a voxel's variance that is signal
BASELINE = 1.0
EXPERIMENT = "2"
# Pairs of AAL regions (left and right) whose number modulo 4 is LENGTH or TOPIC follow this property of a sentence.
LENGTH, TOPIC = 1, 3
TOPIC_KINDS = (  # topics whose sentences have the same level
    ("animals", "birds", "sea life", "insects"),
    ("drinks", "fruit", "vegetables", "gardening", "kitchen"),
    ("body", "clothing", "professions", "law and crime", "music", "sport", "medicine"),
    ("furniture", "workshop tools", "vehicles", "buildings", "dwellings"),
    ("landscape", "weather", "disasters"),
)


@dataclass(frozen=True)
class PereiraSize:
    """Size of the simulated data; the published data have 8 subjects of up to 200,000 voxels and 384 sentences."""

    n_subjects: int = 8
    n_voxels: int = 50_000
    n_sentences: int = N_SENTENCES
    seed: int = 0

    def __post_init__(self) -> None:
        n_published = len(EXPERIMENTS[EXPERIMENT].subjects)
        if not (1 <= self.n_subjects <= n_published and 200 <= self.n_voxels <= 400_000):
            raise RequestError(
                f"Expected 1 to {n_published} subjects of 200 to 400,000 voxels, got {self.n_subjects} of "
                f"{self.n_voxels}. Change the size."
            )
        if not 40 <= self.n_sentences <= N_SENTENCES:
            raise RequestError(
                f"Expected 40 to {N_SENTENCES} sentences (samples), got {self.n_sentences}. Change the size."
            )

    @property
    def n_bytes(self) -> int:  # numpydoc ignore=RT01
        """Approximate size of the files on disk."""
        return self.n_subjects * self.n_voxels * (4 * self.n_sentences + 300)

    def write(self, folder: Path, progress: ProgressCallback) -> None:
        """Write a folder of this size.

        Parameters
        ----------
        folder : Path
            An empty folder.
        progress : callable
            Receives the number of subjects that are written, the total and a message.
        """
        write_simulated_pereira(folder, self, progress)


@one_thread_per_call()
def write_simulated_pereira(folder: Path, size: PereiraSize, progress: ProgressCallback) -> None:
    """Write a file of experiment 2 for each subject.

    Parameters
    ----------
    folder : Path
        Folder in which each subject gets a folder.
    size : PereiraSize
        Numbers of subjects, voxels and sentences, and the seed.
    progress : ProgressCallback
        Called with the number of subjects that are written.
    """
    passages = load_passages()
    n = size.n_sentences
    sentences = ReadSentences(list(passages.sentences[:n]), passages.passage[:n] + 1)
    Z = sentence_properties(passages, n)
    for i, subject in enumerate(EXPERIMENTS[EXPERIMENT].subjects[: size.n_subjects]):
        progress(i, size.n_subjects, f"Writing {subject}")
        voxels = _sample_voxels(size.n_voxels, np.random.default_rng([size.seed, i]))
        variables = sentence_variables(_responses(Z, voxels, size.seed, i), sentences, voxels, "A", EXPERIMENT)
        # Noise hardly compresses, and scipy would hold the compressed data in memory a second time.
        path = write_variables(subject_file(folder, subject), variables, compressed=False)
        mark_mat(path)
    progress(size.n_subjects, size.n_subjects, "Written")


def _sample_voxels(n_voxels: int, rng: np.random.Generator) -> LabelledVoxels:
    """Sample n_voxels of an MNI grid that lie in AAL regions, cerebellum included, in column-major order."""
    grid = next(grid for mm in GRIDS_MM if (grid := mni_grid(mm)).n_voxels >= n_voxels or mm == GRIDS_MM[-1])
    chosen = rng.choice(grid.n_voxels, min(n_voxels, grid.n_voxels), replace=False)
    linear = np.ravel_multi_index(tuple(grid.ijk[chosen].T), grid.shape, order="F")
    chosen = chosen[np.argsort(linear)]
    return LabelledVoxels(grid.ijk[chosen], np.asarray(grid.aal)[chosen], grid.shape)


def planted_property(aal: np.ndarray) -> np.ndarray:
    """Return the property of a sentence that each voxel follows.

    Parameters
    ----------
    aal : (n_voxels,) array of int
        AAL1 labels, 1 to 116.

    Returns
    -------
    (n_voxels,) array of int
        LENGTH, TOPIC, or 0 for no signal; equal in both hemispheres of a region.
    """
    pair = (aal + 1) // 2 % 4
    return np.where((pair == LENGTH) | (pair == TOPIC), pair, 0)


def sentence_properties(passages: Passages, n: int) -> np.ndarray:
    """Return the properties of sentences that voxels follow.

    Parameters
    ----------
    passages : Passages
        The sentences.
    n : int
        Number of sentences that are used, from the first on.

    Returns
    -------
    (n, 1 + n_kinds) array of float32
        Number of words, then an indicator of each kind of topic; columns standardised.
    """
    names = [passages.topic_names[topic] for topic in passages.topic[passages.passage[:n]]]
    kinds = np.array([[name in kind for kind in TOPIC_KINDS] for name in names])
    length = [len(sentence.split()) for sentence in passages.sentences[:n]]
    Z = np.column_stack([length, kinds]).astype(np.float32)
    return (Z - Z.mean(0)) / np.maximum(Z.std(0), 1e-6)


def _responses(Z: np.ndarray, voxels: LabelledVoxels, seed: int, subject: int) -> np.ndarray:
    """Simulate responses (n_sentences, n_voxels) float32, in the column-major order of the file."""
    n_voxels = len(voxels.aal)
    Y = np.empty((len(Z), n_voxels), np.float32, order="F")
    for start in range(0, n_voxels, BATCH_SIZE):
        rng = np.random.default_rng([seed, subject, start])
        columns = slice(start, min(start + BATCH_SIZE, n_voxels))
        planted = planted_property(voxels.aal[columns])
        explained = np.where(planted > 0, rng.uniform(0, MAX_EXPLAINED, len(planted)), 0)
        weights = rng.standard_normal((Z.shape[1], len(planted)), dtype=np.float32)
        weights[:1, planted != LENGTH] = 0
        weights[1:, planted != TOPIC] = 0
        signal = Z @ weights
        signal *= np.sqrt(explained) / np.maximum(signal.std(0), 1e-6)
        noise = rng.standard_normal(signal.shape, dtype=np.float32)
        Y[:, columns] = BASELINE + signal + np.sqrt(1 - explained) * noise
    return Y
