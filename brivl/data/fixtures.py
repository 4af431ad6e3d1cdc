"""Simulated folders in the forms of published datasets; a folder appears when it is complete."""

from __future__ import annotations

import shutil
from pathlib import Path

from brivl.core.progress import ProgressCallback, no_progress
from brivl.data.dataset_format import FixtureSize
from brivl.data.phantoms.mark import TEXT
from brivl.data.registry import fixtures
from brivl.errors import RequestError, StoreError
from brivl.store.sizes import format_size
from brivl.store.writing import atomic_path

NOTE_NAME = "SIMULATED.txt"
DISK_MARGIN = 1.1  # free bytes that are required, relative to the expected size


def fixture_size(form: str, n_subjects: int | None, n_voxels: int | None, n_samples: int | None) -> FixtureSize:
    """Choose the size of a simulated folder.

    Parameters
    ----------
    form : str
        Name of a form, see `brivl.data.registry.fixtures`.
    n_subjects, n_voxels, n_samples : int or None
        Numbers of subjects, of voxels of each subject and of training samples; None for the default of the form.

    Returns
    -------
    FixtureSize
        The size, which `write_fixture` takes.

    Raises
    ------
    RequestError
        There is no such form, or the form does not have this size.
    """
    forms = fixtures()
    if form not in forms:
        raise RequestError(f"Expected a form, one of {sorted(forms)}, got {form!r}. Choose one of them.")
    fixture = forms[form]
    return fixture.size(
        fixture.n_subjects if n_subjects is None else n_subjects,
        fixture.n_voxels if n_voxels is None else n_voxels,
        fixture.n_samples if n_samples is None else n_samples,
    )


def write_fixture(out: Path, size: FixtureSize, progress: ProgressCallback = no_progress) -> int:
    """Write a simulated folder.

    Parameters
    ----------
    out : Path
        A folder that does not exist, in one that does.
    size : FixtureSize
        Form and size of the folder.
    progress : callable
        Receives the number of subjects that are written, the total and a message.

    Returns
    -------
    int
        Bytes written.

    Raises
    ------
    RequestError
        `out` exists, or the folder above it does not.
    StoreError
        The disk is too small or cannot be written to.
    """
    out = out.absolute()
    if out.exists() or not out.parent.is_dir():
        raise RequestError(
            f"Expected a new folder in a folder that exists, got {str(out)!r}. Name another folder with --out."
        )
    free = shutil.disk_usage(out.parent).free
    if free < DISK_MARGIN * size.n_bytes:
        raise StoreError(
            f"Expected about {format_size(size.n_bytes)} of free disk space for {str(out)!r}, got {format_size(free)}. "
            "Choose fewer subjects or voxels, or another disk."
        )
    try:
        with atomic_path(out) as tmp_path:
            tmp_path.mkdir()
            size.write(tmp_path, progress)
            (tmp_path / NOTE_NAME).write_text(f"{TEXT}. Made by `python -m brivl data make-fixture`; {size!r}.\n")
    except OSError as error:
        raise StoreError(
            f"Expected to write {str(out)!r}, got an error ({error.strerror or error}). Check free disk space and the "
            "rights of the folder."
        ) from error
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
