"""The mark in simulated files of a published form; it tells them apart from measurements wherever they are copied.

HDF5 files carry it as an attribute of the file, MATLAB files as the descriptive text that they begin with.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from brivl.data.formats.hdf5 import open_hdf5
from brivl.data.phantoms import planting
from brivl.errors import DataError

ATTRIBUTE = "simulated"
TEXT = "Simulated by the BriVL explorer: noise and a planted signal, no brain in it"
MAT_TEXT = b"MATLAB 5.0 MAT-file, SIMULATED by the BriVL explorer: noise and a planted signal, no brain"
MAT_TEXT_BYTES = 116
LICENCE = planting.LICENCE
CITATION = "Simulated data of the BriVL explorer in the form of published files; not a measurement of any brain."


def any_marked(paths: Iterable[Path]) -> bool:
    """Tell whether one of the files carries the mark.

    Parameters
    ----------
    paths : iterable of Path
        HDF5 or MATLAB files; those that cannot be read count as not marked.

    Returns
    -------
    bool
        True where a file is simulated.
    """
    return any(_is_marked(path) for path in paths)


def mark_mat(path: Path) -> None:
    """Put the mark into a MATLAB file that was just written.

    Parameters
    ----------
    path : Path
        File of version 5 to 7.
    """
    with path.open("r+b") as file:
        file.write(MAT_TEXT.ljust(MAT_TEXT_BYTES))


def _is_marked(path: Path) -> bool:
    try:
        if path.suffix == ".mat":
            with path.open("rb") as file:
                return file.read(MAT_TEXT_BYTES).rstrip() == MAT_TEXT
        with open_hdf5(path) as opened, opened.reading("its attributes"):
            return ATTRIBUTE in opened.file.attrs
    except (DataError, OSError):
        return False
