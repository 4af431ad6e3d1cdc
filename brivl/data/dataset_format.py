"""Records that tell the registry how a form of dataset is recognised, opened, fetched and simulated.

Nothing here imports numpy or a reader of files, and the functions of a record import what they need when they are
called. The command line lists the forms in its help texts, which must not cost such imports.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from brivl.core.progress import ProgressCallback
    from brivl.data.dataset import Dataset
    from brivl.data.folder_check import FolderCheck
    from brivl.store.artifacts import Store


@dataclass(frozen=True)
class Published:
    """Facts on a published dataset: what it is, where it comes from and which files belong to it.

    Attributes
    ----------
    title : str
        Title in lists of datasets.
    licence : str
        Licence, or where its terms are found.
    citation : str
        What to cite.
    page : str
        Address of the dataset's own page.
    expected_files : callable
        Takes the folder of the dataset and returns the paths below it that belong to the dataset, whether they are
        there or not.
    recognises : callable
        Takes a folder and returns whether it holds the dataset, packed archives included. Raises OSError where the
        folder cannot be read.
    source : str
        Git repository that datalad installs; "" where there is none.
    siblings : tuple of str
        Siblings from which datalad fetches contents, the fastest first.
    unpack_commands : callable, optional
        Takes the folder and the paths of missing files and returns shell lines that unpack them from archives, for a
        dataset that is downloaded by hand.
    """

    title: str
    licence: str
    citation: str
    page: str
    expected_files: Callable[[Path], list[str]]
    recognises: Callable[[Path], bool]
    source: str = ""
    siblings: tuple[str, ...] = ()
    unpack_commands: Callable[[Path, Sequence[str]], list[str]] | None = None


class FixtureSize(Protocol):
    """Size of a simulated folder, which can write the folder."""

    @property
    def n_bytes(self) -> int:
        """Approximate size of the files on disk."""

    def write(self, folder: Path, progress: ProgressCallback) -> None:
        """Write the folder.

        Parameters
        ----------
        folder : Path
            An empty folder.
        progress : callable
            Receives what is done, the total and a message.
        """


@dataclass(frozen=True)
class Fixture:
    """Simulated folders of a form: default size, and the function that makes a size.

    Attributes
    ----------
    n_subjects, n_voxels, n_samples : int
        Default size.
    samples : str
        What a sample is, in the plural.
    size : callable
        Takes the numbers of subjects, voxels and samples and returns a `FixtureSize`. Raises RequestError for a size
        that the form does not have.
    """

    n_subjects: int
    n_voxels: int
    n_samples: int
    samples: str
    size: Callable[[int, int, int], FixtureSize]


@dataclass(frozen=True)
class DatasetFormat:
    """A form in which datasets are stored in a folder.

    Attributes
    ----------
    name : str
        Name on the command line, and of the folder of a published dataset.
    layout : str
        What the folder holds, for error messages.
    matches : callable
        Takes a folder and returns whether it has this form. Raises OSError where the folder cannot be read.
    open : callable
        Takes a folder, a part of it or None, and a store or None, and returns the dataset. Raises DataError where files
        are missing or damaged.
    parts : callable, optional
        Takes a folder and returns the names of the parts, such as tasks, that are datasets of their own; empty where
        the folder is one dataset. None for forms without parts.
    published : callable, optional
        Returns the facts on the published dataset that defines this form.
    fixture : Fixture, optional
        Simulated folders of this form.
    options : tuple of str
        Options that may follow the part in the name of a dataset, as in FOLDER:PART?column=NAME.
    check : callable, optional
        Takes a folder, a part of it or None, and a subject or "" and says what is here and what is needed next.
    fetched : callable, optional
        Takes a folder and a part of it or None and says in a few words what is not fetched; "" where all is. For lists,
        so from names and links alone.
    """

    name: str
    layout: str
    matches: Callable[[Path], bool]
    open: Callable[[Path, str | None, Store | None], Dataset]
    parts: Callable[[Path], Sequence[str]] | None = None
    published: Callable[[], Published] | None = None
    fixture: Fixture | None = None
    options: tuple[str, ...] = ()
    check: Callable[[Path, str | None, str], Sequence[FolderCheck]] | None = None
    fetched: Callable[[Path, str | None], str] | None = None
