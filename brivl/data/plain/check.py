"""What of a plain folder is here, and what its owner needs next."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from brivl.data.folder_check import FolderCheck, describe_states
from brivl.data.formats.file_state import file_state
from brivl.data.plain.loader import open_plain
from brivl.errors import BrivlError, RequestError
from brivl.store.sizes import format_size

TOP = ("dataset.json", "run_onsets.npy", "test_run_onsets.npy", "groups.npy", "features.npz")


def check_plain(folder: Path, subject: str) -> FolderCheck:
    """Check what of a plain folder is here: features first, then responses, by names, sizes and headers.

    Parameters
    ----------
    folder : Path
        The folder.
    subject : str
        Name of the subject; "" for the first.

    Returns
    -------
    FolderCheck
        What is here and what is needed next.

    Raises
    ------
    RequestError
        There is no such subject.
    """
    folder = Path(os.path.abspath(folder))
    places = sorted(path.stem for path in (folder / "responses").iterdir() if not path.name.startswith("."))
    if subject and subject not in places:
        raise RequestError(
            f"Expected a subject with a file in {str(folder / 'responses')!r}, got {subject!r}. Choose one of "
            f"{', '.join(places) or 'none'}."
        )
    name = subject or (places[0] if places else "")
    features = [*sorted((folder / "features").glob("*.npy")), folder / "features.npz"]
    of_subject = [path for part in ("responses", "voxels") for path in sorted((folder / part).glob(f"{name}.*"))]
    paths = [folder / one for one in TOP[:-1]] + features + of_subject
    states = [file_state(folder, path.relative_to(folder).as_posix()) for path in paths if os.path.lexists(path)]
    of_features = [state for state in states if state.name.startswith("features")]
    facts = (
        f"{name or 'No subject'}{_others(len(places) - 1)}.",
        f"Features: {describe_states(of_features)}.",
        f"Responses and voxels: {describe_states([s for s in states if s.name.startswith(('responses', 'voxels'))])}.",
    )
    to_fetch = [s for s in states if s.state == "not fetched" or (s.state == "truncated" and s.published is not None)]
    broken = [s for s in states if s.state in ("truncated", "unreadable") and s.published is None]
    step, command, title = _problem(folder, name), "", folder.name
    if to_fetch and of_features:
        step = f"Fetch what is not fetched, {format_size(sum(s.published or 0 for s in to_fetch))}."
        command = f"cd {shlex.quote(str(folder))} && datalad get {' '.join(shlex.quote(s.name) for s in to_fetch)}"
    elif broken:
        step = f"Get {len(broken)} files again, such as {broken[0].name!r}: {broken[0].note}."
    elif not step:
        step = f"All is here: python -m brivl fit --dataset {shlex.quote(str(folder))} --subject {name}"
    names = tuple(s.name for s in to_fetch) if command else ()
    return FolderCheck(str(folder), title, name, facts, (), step, command, tuple(states), names)


def _others(n: int) -> str:
    return f"; {n} further subject{'s' if n > 1 else ''}" if n > 0 else ""


def _problem(folder: Path, subject: str) -> str:
    """Why the folder cannot be opened, or its runs do not fit; "" where they do."""
    try:
        open_plain(folder).design(subject)
    except BrivlError as error:
        return str(error)
    return ""
