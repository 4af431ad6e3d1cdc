"""Download of published datasets with datalad, file by file; an interrupted download is continued."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from brivl.core.progress import ProgressCallback
from brivl.data.dataset_format import Published
from brivl.data.formats.file_state import file_state, has_checksum
from brivl.data.registry import published_datasets
from brivl.errors import DataError, RequestError

PROGRAMS = ("datalad", "git-annex")


def can_download() -> bool:
    """Test whether the programs that download are installed.

    Returns
    -------
    bool
        Whether datalad and git-annex are found.
    """
    return all(shutil.which(program) for program in PROGRAMS)


def download_request(name: str, folder: Path, files: Sequence[str]) -> dict[str, Any]:
    """Build the JSON request of a worker that downloads files.

    Parameters
    ----------
    name : str
        Name of a published dataset.
    folder : Path
        Folder of the dataset.
    files : sequence of str
        Paths below the folder.

    Returns
    -------
    dict
        Request of the task "download".
    """
    return {"task": "download", "name": name, "folder": str(folder), "files": list(files)}


def install_command(source: str, folder: Path) -> list[str]:
    """Build the command that gets the names and pointers of all files, without contents.

    Parameters
    ----------
    source : str
        Address of the git repository.
    folder : Path
        Folder to install into.

    Returns
    -------
    list of str
        Command and arguments.
    """
    return ["datalad", "install", "-s", source, str(folder)]


def get_command(folder: Path, name: str, sibling: str) -> list[str]:
    """Build the command that gets the content of one file; git-annex continues an interrupted transfer.

    Parameters
    ----------
    folder : Path
        Folder of the dataset.
    name : str
        Path of the file below the folder.
    sibling : str
        Sibling to get it from.

    Returns
    -------
    list of str
        Command and arguments.
    """
    return ["datalad", "get", "-d", str(folder), "-s", sibling, str(folder / name)]


def commands_to_copy(name: str, folder: Path, files: Sequence[str]) -> list[str]:
    """Build shell lines that get files, for users without datalad on this machine.

    Parameters
    ----------
    name : str
        Name of a published dataset.
    folder : Path
        Folder of the dataset.
    files : sequence of str
        Paths below the folder.

    Returns
    -------
    list of str
        Shell lines; empty for a dataset that is only given on request.
    """
    published = published_datasets()[name]
    if published.unpack_commands is not None:
        return published.unpack_commands(folder, files)
    if not published.source:
        return []
    lines = []
    if not (folder / ".git").exists():
        lines.append(shlex.join(["git", "clone", published.source, str(folder)]))
    lines.append(shlex.join(["cd", str(folder)]))
    return lines + [shlex.join(["git", "annex", "get", *files, "--from", published.siblings[0]])]


def download_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Download the files of a request that are missing or incomplete.

    Parameters
    ----------
    request : mapping
        As from `download_request`; "source" replaces the published address.
    progress : callable
        Receives the number of files that are there, the total and a message.

    Returns
    -------
    dict
        Number of files fetched, and number of files.

    Raises
    ------
    RequestError
        The dataset cannot be downloaded with datalad, or datalad is missing.
    DataError
        A transfer failed, or a content does not have the published checksum.
    """
    name, folder = request["name"], Path(request["folder"])
    published = published_datasets().get(name)
    source = request.get("source") or (published.source if published else "")
    if published is None or not source:
        raise RequestError(
            f"Expected a dataset that datalad can download, got {name!r}. Copy its commands from the page Data."
        )
    if not can_download():
        raise RequestError(
            f"Expected {' and '.join(PROGRAMS)} on this machine, got none or one of them. Install them, or copy the "
            "commands from the page Data."
        )
    files = list(request["files"])
    unknown = sorted(set(files) - set(published.expected_files(folder)))
    if unknown:
        raise RequestError(f"Expected files of {name}, got {unknown[:3]!r}. Choose files that the page Data lists.")
    _install(source, folder, progress, len(files))
    fetched = [_fetch(name, published, folder, file, i, len(files), progress) for i, file in enumerate(files)]
    progress(len(files), len(files), "All files are here")
    return {"fetched": sum(fetched), "n_files": len(files)}


def _install(source: str, folder: Path, progress: ProgressCallback, total: int) -> None:
    if (folder / ".git").exists():
        return
    if folder.exists() and any(folder.iterdir()):
        raise DataError(
            f"Expected {str(folder)!r} to be empty or a git repository, got a folder with other files. Move them away."
        )
    progress(0, total, "Getting the list of files")
    folder.parent.mkdir(parents=True, exist_ok=True)
    _run(install_command(source, folder), f"the list of files from {source}")


def _fetch(
    dataset: str, published: Published, folder: Path, name: str, i: int, total: int, progress: ProgressCallback
) -> bool:
    """Whether file `name` had to be fetched."""
    state = file_state(folder, name).state
    if state == "present":
        progress(i + 1, total, f"{name} is here already")
        return False
    progress(i, total, f"Fetching {name}")
    if state == "truncated":
        _discard_content(folder, name)
    for sibling in published.siblings:
        try:
            _run(get_command(folder, name, sibling), name)
            break
        except DataError:
            if sibling == published.siblings[-1]:
                raise
    fetched = file_state(folder, name)
    if fetched.state != "present" or has_checksum(folder / name) is False:
        raise DataError(
            f"Expected the published content of {name!r} of {dataset}, got a file that "
            f"{f'is incomplete ({fetched.note})' if fetched.note else 'has another checksum'}. Fetch it again."
        )
    progress(i + 1, total, f"{name} is here")
    return True


def _discard_content(folder: Path, name: str) -> None:
    """Let git-annex check a damaged content, which it takes for fetched until it has checked it."""
    command = ["git", "-C", str(folder), "annex", "fsck", name]
    subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)


def _run(command: Sequence[str], what: str) -> None:
    """Run a program; the last line of its output is part of the error message if it fails."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    except OSError as error:
        raise DataError(
            f"Expected to run {command[0]!r}, got an error ({error.strerror}). Install the program again."
        ) from error
    if result.returncode:
        output = (result.stderr.strip() or result.stdout.strip()).splitlines()
        reason = output[-1] if output else f"exit code {result.returncode}"
        raise DataError(
            f"Expected to fetch {what}, got an error: {reason}. Check the connection and try again; files that are "
            "complete are kept."
        )
