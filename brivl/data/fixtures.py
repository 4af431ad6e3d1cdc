"""Simulated folders in the forms of the published datasets, whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from brivl.core.progress import ProgressCallback, no_progress
from brivl.data.algonauts2023.fixture import AlgonautsSize, write_simulated_algonauts
from brivl.data.pereira2018.fixture import PereiraSize, write_simulated_pereira
from brivl.data.phantoms.mark import TEXT
from brivl.data.shortclips.fixture import ShortclipsSize, write_simulated_shortclips
from brivl.errors import RequestError, StoreError
from brivl.store.sizes import format_size

NOTE_NAME = "SIMULATED.txt"
DISK_MARGIN = 1.1  # of the bytes that are expected
Size = ShortclipsSize | PereiraSize | AlgonautsSize

WRITERS: Mapping[type, Callable[[Path, Size, ProgressCallback], None]] = {
    ShortclipsSize: write_simulated_shortclips,
    PereiraSize: write_simulated_pereira,
    AlgonautsSize: write_simulated_algonauts,
}


def fixture_size(form: str, n_subjects: int | None, n_voxels: int | None, n_samples: int | None) -> Size:
    """The size asked for, None standing for the default. `n_samples` are training TRs, sentences, or pictures.

    Raises RequestError for a form that there is not, or a size that cannot be.
    """
    forms = {
        "shortclips": (ShortclipsSize, "n_train"),
        "pereira2018": (PereiraSize, "n_sentences"),
        "algonauts2023": (AlgonautsSize, "n_pictures"),
    }
    if form not in forms:
        raise RequestError(f"Wanted a form out of {sorted(forms)} and got {form!r}.")
    kind, samples = forms[form]
    given = {"n_subjects": n_subjects, "n_voxels": n_voxels, samples: n_samples}
    size = kind(**{name: value for name, value in given.items() if value is not None})
    if isinstance(size, ShortclipsSize):
        _ = size.movie  # which says what is wrong with the number of TRs
    return size


def write_fixture(out: Path, size: Size, progress: ProgressCallback = no_progress) -> int:
    """Write a folder; its bytes. It appears under its name once it is whole.

    Raises RequestError where `out` exists or cannot be made, StoreError where the disk is too small.
    """
    out = out.absolute()
    if out.exists() or not out.parent.is_dir():
        raise RequestError(f"Wanted --out as a new folder in one that exists, and got {str(out)!r}.")
    free = shutil.disk_usage(out.parent).free
    if free < DISK_MARGIN * size.n_bytes:
        raise StoreError(
            f"About {format_size(size.n_bytes)} are wanted for {str(out)!r} and {format_size(free)} are free; take "
            "fewer subjects or voxels, or another disk."
        )
    aside = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        aside.mkdir()
        WRITERS[type(size)](aside, size, progress)
        (aside / NOTE_NAME).write_text(f"{TEXT}. Made by `python -m brivl data make-fixture`; {size!r}.\n")
        os.replace(aside, out)
    except OSError as error:
        raise StoreError(
            f"Could not write {str(out)!r} ({error.strerror or error}); see that the disk has room and "
            "that the folder may be written to."
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
