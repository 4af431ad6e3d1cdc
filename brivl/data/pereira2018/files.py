"""The files of Pereira et al. (2018) in a folder: a folder for each subject, one file for each experiment.

    P01/examples_384sentences.mat    experiment 2 as first published ("A"): labels in meta.roiMultimaskAAL
    P01/data_384sentences.mat        the same as published again ("B"): labels in cells over 15 atlases

Some archives unpack to P01/P01/. Where a subject has both generations, A is taken, which the paper's analyses of AAL
regions used.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from brivl.data.dataset_format import Published
from brivl.errors import RequestError

SUBJECT = re.compile(r"[PM][0-9]{2}")
PREFIXES = ("examples", "data")  # generations A and B, in the order of preference


@dataclass(frozen=True)
class Experiment:
    """One experiment of the paper.

    Attributes
    ----------
    stem : str
        File name without the generation's prefix and without ".mat".
    title : str
        Title for a page.
    n_stimuli : int
        Number of sentences or concepts.
    subjects : tuple of str
        Participants, in the order of the paper.
    """

    stem: str
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
    """Find the files of an experiment.

    Parameters
    ----------
    folder : Path
        Folder of the published files.
    experiment : str
        A key of EXPERIMENTS.

    Returns
    -------
    dict of str to Path
        File of each subject, in the order of the paper; broken links count as files.

    Raises
    ------
    RequestError
        If there is no such experiment.
    """
    if experiment not in EXPERIMENTS:
        raise RequestError(
            f"Expected an experiment out of {', '.join(EXPERIMENTS)} after the folder and ':', got {experiment!r}. "
            "Choose one of them."
        )
    about = EXPERIMENTS[experiment]
    paths = {subject: _subject_path(folder / subject, about.stem) for subject in about.subjects}
    return {subject: path for subject, path in paths.items() if path is not None}


def experiments_in(folder: Path) -> tuple[str, ...]:
    """List the experiments of which a folder has a file of at least one subject.

    Parameters
    ----------
    folder : Path
        Folder of the published files.

    Returns
    -------
    tuple of str
        Keys of EXPERIMENTS.
    """
    return tuple(name for name in EXPERIMENTS if find_files(folder, name))


def is_pereira(folder: Path) -> bool:
    """Tell whether a folder holds this dataset.

    Parameters
    ----------
    folder : Path
        Folder.

    Returns
    -------
    bool
        True where a subject's folder has a file of an experiment.

    Raises
    ------
    OSError
        If the folder cannot be listed.
    """
    return any(SUBJECT.fullmatch(path.name) for path in folder.iterdir()) and bool(experiments_in(folder))


def _subject_path(folder: Path, stem: str) -> Path | None:
    """Find the file of a subject: generation A before B, existing files before broken links."""
    paths = [parent / f"{prefix}_{stem}.mat" for prefix in PREFIXES for parent in (folder, folder / folder.name)]
    existing = [path for path in paths if path.exists()]
    return next(iter(existing or [path for path in paths if path.is_symlink()]), None)


def _expected_files(folder: Path) -> list[str]:
    """Files of the two experiments with sentences; those that are there under another name go by that name."""
    paths: list[Path] = []
    for number in ("2", "3"):
        here, experiment = find_files(folder, number) if folder.is_dir() else {}, EXPERIMENTS[number]
        paths += [
            here.get(subject, folder / subject / f"examples_{experiment.stem}.mat") for subject in experiment.subjects
        ]
    return [path.relative_to(folder).as_posix() for path in paths]


def _recognises(folder: Path) -> bool:
    return is_pereira(folder) or any(folder.glob("[PM][0-9][0-9].tar*"))


def _unpack_commands(folder: Path, files: Sequence[str]) -> list[str]:
    """Shell lines that unpack the archives of the subjects of `files`, with a note on those to be downloaded first."""
    subjects = list(dict.fromkeys(name.split("/")[0] for name in files))
    archives = {subject: paths[0].name for subject in subjects if (paths := sorted(folder.glob(f"{subject}.tar*")))}
    missing = [f"{subject}.tar" for subject in subjects if subject not in archives]
    lines = [f"# Download {', '.join(missing)} from {_PAGE} into this folder:"] if missing else []
    lines += [shlex.join(["mkdir", "-p", str(folder)]), shlex.join(["cd", str(folder)])]
    return lines + [shlex.join(["tar", "-xf", archives.get(subject, f"{subject}.tar")]) for subject in subjects]


_PAGE = "https://web.mit.edu/evlab//sites/default/files/documents/index2.html"
PUBLISHED = Published(
    title="Pereira et al. 2018",
    licence="No licence is stated; terms of the authors' page apply: web.mit.edu/evlab/sites/default/files/documents",
    citation=(
        "Pereira, F., Lou, B., Pritchett, B., Ritter, S., Gershman, S. J., Kanwisher, N., Botvinick, M., & "
        "Fedorenko, E. (2018). Toward a universal decoder of linguistic meaning from brain activation. Nature "
        "Communications, 9, 963. doi:10.1038/s41467-018-03068-4"
    ),
    page=_PAGE,
    expected_files=_expected_files,
    recognises=_recognises,
    unpack_commands=_unpack_commands,
)
