"""Matrices of numbers in tab-separated text: a column for each parcel or voxel, with a header line or without."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brivl.errors import DataError

MAX_BYTES = 2**30  # bytes of text; more belongs into .npy or .h5


def read_matrix(path: Path) -> np.ndarray:
    """Read a table of numbers.

    Parameters
    ----------
    path : Path
        Text with tabs between cells; n/a and nan are missing values.

    Returns
    -------
    np.ndarray
        (n_rows, n_columns) float32.

    Raises
    ------
    DataError
        The file cannot be read, rows differ in length, or a cell is no number.
    """
    rows = _rows(path)[0]
    return np.array([[_number(cell, path, i) for cell in row] for i, row in enumerate(rows)], np.float32)


def column_names(path: Path) -> tuple[str, ...]:
    """Read the header of a table of numbers.

    Parameters
    ----------
    path : Path
        The table.

    Returns
    -------
    tuple of str
        Names of columns; empty without a header.
    """
    return tuple(_rows(path)[1])


def matrix_shape(values: np.ndarray) -> tuple[int, int]:
    """Give the shape of a matrix.

    Parameters
    ----------
    values : np.ndarray
        (n_rows, n_columns).

    Returns
    -------
    tuple of int
        Rows and columns.
    """
    return int(values.shape[0]), int(values.shape[1])


def _rows(path: Path) -> tuple[list[list[str]], list[str]]:
    """Rows of cells, and the header; a first line with a cell that is no number is the header."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(
                f"Expected a table of at most {MAX_BYTES:,} bytes, got {path.stat().st_size:,} in {str(path)!r}. Save "
                "it as .npy."
            )
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise DataError(
            f"Expected a table that can be read, got {str(path)!r} ({error.strerror}). Check its path and rights."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"Expected text in UTF-8, got {str(path)!r} ({error}). Save it as UTF-8.") from error
    rows = [[cell.strip() for cell in line.split("\t")] for line in text.splitlines() if line.strip()]
    header = rows[0] if rows and any(_value(cell) is None for cell in rows[0]) else []
    rows = rows[1:] if header else rows
    lengths = {len(row) for row in [*rows, *([header] if header else [])]}
    if not rows or len(lengths) != 1:
        got = "no row of numbers" if not rows else f"rows of {sorted(lengths)[:4]} cells"
        raise DataError(f"Expected rows of the same number of cells in {str(path)!r}, got {got}. Save it again.")
    return rows, header


def _value(cell: str) -> float | None:
    if cell.lower() in ("n/a", "na", ""):
        return float("nan")
    try:
        return float(cell)
    except ValueError:
        return None


def _number(cell: str, path: Path, row: int) -> float:
    value = _value(cell)
    if value is None:
        raise DataError(f"Expected numbers in row {row + 1} of {str(path)!r}, got {cell[:40]!r}. Correct the cell.")
    return value
