"""What of a dataset in a folder is here for one task and subject, and what its owner needs next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from brivl.data.formats.file_state import FileState
from brivl.store.sizes import format_size


@dataclass(frozen=True)
class FolderCheck:
    """State of the files of one subject in one task, and the next step.

    Attributes
    ----------
    name : str
        Name that --dataset takes.
    title : str
        Title of the dataset.
    subject : str
        Name of the subject; "" where the folder has none.
    facts : tuple of str
        Sentences on events, stimuli and responses.
    warnings : tuple of str
        What makes a fit of these files misleading.
    next_step : str
        What to do next.
    command : str
        Shell line that fetches what is not fetched; "" where something else comes first.
    files : tuple of FileState
        Files of the subject, those that are named but not in the folder included.
    to_fetch : tuple of str
        Paths below the folder that the command fetches.
    """

    name: str
    title: str
    subject: str
    facts: tuple[str, ...]
    warnings: tuple[str, ...]
    next_step: str
    command: str = ""
    files: tuple[FileState, ...] = ()
    to_fetch: tuple[str, ...] = ()

    @property
    def bytes_to_fetch(self) -> int:
        """Bytes of the files that the command fetches, by their annex keys."""
        requested = set(self.to_fetch)
        return sum(file.published or 0 for file in self.files if file.name in requested)


def describe_states(files: Sequence[FileState]) -> str:
    """Count files by state, with the sizes that are known.

    Parameters
    ----------
    files : sequence of FileState
        Files of one kind.

    Returns
    -------
    str
        Such as "3 here (66 MB), 9 not fetched (231 MB)".
    """
    words = {"present": "here", "truncated": "cut short", "missing": "not in the folder"}
    parts = []
    for state in ("present", "not fetched", "truncated", "missing", "archive", "unreadable"):
        of_state = [file for file in files if file.state == state]
        if not of_state:
            continue
        n_bytes = sum((file.published or 0) if state == "not fetched" else file.size for file in of_state)
        size = f" ({format_size(n_bytes)})" if n_bytes else ""
        parts.append(f"{len(of_state)} {words.get(state, state)}{size}")
    return ", ".join(parts) or "none"
