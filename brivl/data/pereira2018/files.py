"""Which files of Pereira et al. (2018) are in a folder: a folder for each subject, one file for each experiment.

    P01/examples_384sentences.mat    experiment 2 as first published ("A"): labels in meta.roiMultimaskAAL
    P01/data_384sentences.mat        the same as published again ("B"): labels in cells over 15 atlases

Some archives unpack to P01/P01/. Where a subject has both, A is taken, which the paper's analyses of AAL used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from brivl.errors import RequestError

SUBJECT = re.compile(r"[PM][0-9]{2}")
PREFIXES = ("examples", "data")  # generations A and B, in the order of preference


@dataclass(frozen=True)
class Experiment:
    """One experiment; `subjects` are those who took part, in the order of the paper."""

    stem: str  # file name without generation and .mat
    title: str
    n_stimuli: int
    subjects: tuple[str, ...]


_ALL = ("P01", *(f"M{i:02d}" for i in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16, 17)))
EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType(
    {
        "2": Experiment(
            "384sentences", "experiment 2, 384 sentences", 384, ("P01", "M02", "M04", "M07", "M08", "M09", "M14", "M15")
        ),
        "3": Experiment("243sentences", "experiment 3, 243 sentences", 243, ("P01", "M02", "M03", "M04", "M07", "M15")),
        "1": Experiment("180concepts_sentences", "experiment 1, 180 concepts in sentences", 180, _ALL),
        "1-pictures": Experiment("180concepts_pictures", "experiment 1, 180 concepts with pictures", 180, _ALL),
        "1-wordclouds": Experiment("180concepts_wordclouds", "experiment 1, 180 concepts in word clouds", 180, _ALL),
    }
)


def find_files(folder: Path, experiment: str) -> dict[str, Path]:
    """Subject -> file of an experiment, subjects in the paper's order; links that lead nowhere count as files.

    RequestError for an experiment that there is not.
    """
    if experiment not in EXPERIMENTS:
        raise RequestError(
            f"Wanted an experiment out of {', '.join(EXPERIMENTS)} after the folder and ':', and got {experiment!r}."
        )
    about = EXPERIMENTS[experiment]
    found = {subject: _file(folder / subject, about.stem) for subject in about.subjects}
    return {subject: path for subject, path in found.items() if path is not None}


def experiments_in(folder: Path) -> tuple[str, ...]:
    """Experiments of which a folder has a file of at least one subject."""
    return tuple(name for name in EXPERIMENTS if find_files(folder, name))


def is_pereira(folder: Path) -> bool:
    """Whether a folder is of this dataset. OSError where it cannot be looked into."""
    return any(SUBJECT.fullmatch(path.name) for path in folder.iterdir()) and bool(experiments_in(folder))


def _file(folder: Path, stem: str) -> Path | None:
    """The file of a subject: A before B, and one that is here before a link that leads nowhere."""
    paths = [place / f"{prefix}_{stem}.mat" for prefix in PREFIXES for place in (folder, folder / folder.name)]
    here = [path for path in paths if path.exists()]
    return next(iter(here or [path for path in paths if path.is_symlink()]), None)
