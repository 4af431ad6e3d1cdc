"""Fetching a published dataset with datalad, file by file: it shows how far it is and goes on where it ended."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from brivl.core.progress import ProgressCallback
from brivl.data.formats.file_state import file_state, has_checksum
from brivl.data.published import PEREIRA, PUBLISHED, Published, expected_files
from brivl.errors import DataError, RequestError

PROGRAMS = ("datalad", "git-annex")


def can_download() -> bool:
    """Whether the programs that fetch are installed."""
    return all(shutil.which(program) for program in PROGRAMS)


def download_request(name: str, folder: Path, files: Sequence[str]) -> dict[str, Any]:
    """The JSON request of a worker that fetches `files` of a published dataset into `folder`."""
    return {"task": "download", "name": name, "folder": str(folder), "files": list(files)}


def install_command(source: str, folder: Path) -> list[str]:
    """Names and pointers of all files, without contents."""
    return ["datalad", "install", "-s", source, str(folder)]


def get_command(folder: Path, name: str, sibling: str) -> list[str]:
    """The content of one file; git-annex goes on where a broken transfer ended."""
    return ["datalad", "get", "-d", str(folder), "-s", sibling, str(folder / name)]


def commands_to_copy(name: str, folder: Path, files: Sequence[str]) -> list[str]:
    """Shell lines that fetch `files`, for who has no datalad here."""
    if name == PEREIRA:
        return _pereira_commands(folder, files)
    about, lines = PUBLISHED[name], []
    if not about.source:
        return []  # asked for at about.page, not copied
    if not (folder / ".git").exists():
        lines.append(shlex.join(["git", "clone", about.source, str(folder)]))
    lines.append(shlex.join(["cd", str(folder)]))
    return lines + [shlex.join(["git", "annex", "get", *files, "--from", about.siblings[0]])]


def download_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Fetch what is not here yet; progress counts files. Files that are here and whole are left alone.

    Raises RequestError where there is nothing to fetch from or datalad is missing, DataError where a transfer fails or
    content has another checksum than published.
    """
    about, folder = PUBLISHED.get(request["name"]), Path(request["folder"])
    source = request.get("source") or (about.source if about else "")
    if about is None or not source:
        raise RequestError(f"Wanted a dataset that datalad can fetch and got {request['name']!r}; copy its commands.")
    if not can_download():
        raise RequestError(f"Wanted {' and '.join(PROGRAMS)} to fetch with; install them, or copy the commands.")
    files = list(request["files"])
    unknown = sorted(set(files) - set(expected_files(about.name, folder)))
    if unknown:
        raise RequestError(f"Wanted files of {about.name} and got {unknown[:3]!r}.")
    _install(source, folder, progress, len(files))
    fetched = [_fetch(about, folder, name, i, len(files), progress) for i, name in enumerate(files)]
    progress(len(files), len(files), "All files are here")
    return {"fetched": sum(fetched), "n_files": len(files)}


def _install(source: str, folder: Path, progress: ProgressCallback, total: int) -> None:
    if (folder / ".git").exists():
        return
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"Wanted {str(folder)!r} empty, or as git left it, and it holds other files; move them away.")
    progress(0, total, "Getting the list of files")
    folder.parent.mkdir(parents=True, exist_ok=True)
    _run(install_command(source, folder), f"the list of files from {source}")


def _fetch(about: Published, folder: Path, name: str, i: int, total: int, progress: ProgressCallback) -> bool:
    """Whether a file had to be fetched."""
    state = file_state(folder, name).state
    if state == "present":
        progress(i + 1, total, f"{name} is here already")
        return False
    progress(i, total, f"Fetching {name}")
    if state == "truncated":
        _set_aside(folder, name)
    for sibling in about.siblings:
        try:
            _run(get_command(folder, name, sibling), name)
            break
        except DataError:
            if sibling == about.siblings[-1]:
                raise
    found = file_state(folder, name)
    if found.state != "present" or has_checksum(folder / name) is False:
        raise DataError(
            f"{name!r} came from {about.name} but is {found.note or 'not what its checksum says'}; fetch it again."
        )
    progress(i + 1, total, f"{name} is here")
    return True


def _set_aside(folder: Path, name: str) -> None:
    """Let git-annex see for itself that a content is bad; until it has, it takes it for fetched."""
    command = ["git", "-C", str(folder), "annex", "fsck", name]
    subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)


def _run(command: Sequence[str], what: str) -> None:
    """Run a program of the user's; what it says last becomes part of the sentence if it fails."""
    try:
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    except OSError as error:
        raise DataError(f"Wanted to run {command[0]!r} and could not ({error.strerror}); install it again.") from error
    if ended.returncode:
        said = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
        last = said[-1] if said else f"code {ended.returncode}"
        raise DataError(f"Could not fetch {what}: {last}. Check the connection and try again; what is here is kept.")


def _pereira_commands(folder: Path, files: Sequence[str]) -> list[str]:
    subjects = list(dict.fromkeys(name.split("/")[0] for name in files))
    here = {subject: found[0].name for subject in subjects if (found := sorted(folder.glob(f"{subject}.tar*")))}
    lines, absent = [], [subject for subject in subjects if subject not in here]
    if absent:
        wanted = ", ".join(f"{subject}.tar" for subject in absent)
        lines.append(f"# Download {wanted} from {PUBLISHED[PEREIRA].page} into this folder:")
    lines += [shlex.join(["mkdir", "-p", str(folder)]), shlex.join(["cd", str(folder)])]
    return lines + [shlex.join(["tar", "-xf", here.get(subject, f"{subject}.tar")]) for subject in subjects]
