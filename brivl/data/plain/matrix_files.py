"""Responses of a plain folder in HDF5 or text: (n_samples, n_columns), in HDF5 also an array for each run."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from brivl.data.formats.hdf5 import Hdf5File, open_hdf5
from brivl.data.formats.table import column_names, read_matrix
from brivl.errors import DataError

HDF5 = (".h5", ".hdf5")
ENDINGS = (*HDF5, ".tsv")


def matrix_rows(path: Path) -> tuple[tuple[int, ...], int]:
    """Read the number of rows of each array and the number of columns.

    Parameters
    ----------
    path : Path
        .h5 with one array, or with an array for each run at the top or in groups (sessions), in the order of their
        names; or .tsv with a column for each parcel.

    Returns
    -------
    tuple of tuple of int and int
        Rows of each array, and columns.

    Raises
    ------
    DataError
        The file cannot be read, holds no array (n_samples, n_columns), or arrays differ in columns.
    """
    if path.suffix == ".tsv":
        values = read_matrix(path)
        return (len(values),), int(values.shape[1])
    with open_hdf5(path) as file:
        shapes = {name: file.shape(name) for name in _arrays(file)}
    wrong = next((f"{name!r} of shape {shape!r}" for name, shape in shapes.items() if len(shape) != 2), "")
    widths = {shape[-1] for shape in shapes.values()}
    if not shapes or wrong or len(widths) != 1 or 0 in widths:
        got = wrong or (f"columns {sorted(widths)}" if shapes else "no array")
        raise DataError(
            f"Expected arrays (n_samples, n_columns) with the same columns in {str(path)!r}, one for all or one for "
            f"each run, got {got}. Save them again."
        )
    return tuple(shape[0] for shape in shapes.values()), widths.pop()


def read_rows(path: Path) -> np.ndarray:
    """Read all rows.

    Parameters
    ----------
    path : Path
        File of `matrix_rows`.

    Returns
    -------
    np.ndarray
        (n_samples, n_columns) float32.
    """
    if path.suffix == ".tsv":
        return read_matrix(path)
    with open_hdf5(path) as file:
        return np.concatenate([file.read(name, np.float32) for name in _arrays(file)])


def names_of_columns(path: Path) -> tuple[str, ...]:
    """Read the names of the columns.

    Parameters
    ----------
    path : Path
        File of `matrix_rows`.

    Returns
    -------
    tuple of str
        Header of a .tsv; empty where there is none.
    """
    return column_names(path) if path.suffix == ".tsv" else ()


def _arrays(file: Hdf5File) -> list[str]:
    """Names of arrays, at the top or one group below, sorted; links out of the file are refused when they are read."""
    names: list[str] = []
    for name in file.names():
        is_link = not isinstance(file.file.get(name, getlink=True), h5py.HardLink)
        if not is_link and file.file.get(name, getclass=True) is h5py.Group:
            names += [f"{name}/{inner}" for inner in file.file[name]]
        else:
            names.append(name)
    return sorted(names)
