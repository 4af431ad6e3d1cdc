"""Tables that name the labels of an atlas: BIDS *_dseg.tsv, FreeSurfer and FSL look-up tables, and plain lists."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from brivl.errors import DataError

TABLE_ENDINGS = (".tsv", ".csv", ".txt", ".lut", ".ctab", ".label", ".ctbl")
MAX_TABLE_BYTES = 10_000_000  # larger files are no tables of labels
NUMBER_COLUMNS = ("index", "label", "id", "value", "number", "no", "no.", "parcel", "roi", "key")
NAME_COLUMNS = ("name", "label_name", "labelname", "region", "roi_name", "structure", "abbreviation", "label")
NUMBERED = re.compile(r"^\s*(\d+)[\s,;:]+(.+?)\s*$")
COLOURS = re.compile(r"(?:[\s,;]+-?\d+(?:\.\d+)?){3,4}\s*$")  # at the end of a row of a look-up table
WORKBENCH = re.compile(r"^\s*(\d+)(?:\s+\d+){4}\s*$")  # number, red, green, blue, alpha; the name stands a line above


def read_label_table(path: Path) -> dict[int, str]:
    """Read the names of the labels of an atlas.

    Parameters
    ----------
    path : Path
        Table with a header that has a column of numbers (such as index) and one of names (such as name); or rows of a
        number and a name, with colours or without (FreeSurfer, FSL, Schaefer et al. 2018); or pairs of lines, name and
        then number and colour (Connectome Workbench); or one name a line, for labels from 1.

    Returns
    -------
    dict of int to str
        Label to name; 0, the background, is left out.

    Raises
    ------
    DataError
        The file cannot be read, names no label, or names one twice.
    """
    lines = _lines(path)
    pairs = _with_header(lines) or _workbench(lines) or _numbered(lines) or _listed(lines)
    if not pairs:
        raise DataError(
            f"Expected a table of labels with the columns index and name, or a number and a name in each row, got none "
            f"in {str(path)!r}. Correct the table."
        )
    names: dict[int, str] = {}
    for number, name in pairs:
        if names.get(number, name) != name:
            raise DataError(
                f"Expected one name for each label in {str(path)!r}, got {names[number]!r} and {name!r} for {number}. "
                "Correct the table."
            )
        names[number] = name
    return {number: name for number, name in names.items() if number != 0}


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise DataError(
                f"Expected a table of labels, got {str(path)!r} of {path.stat().st_size:,} bytes. Name another file."
            )
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise DataError(
            f"Expected a table that can be read, got {str(path)!r} ({error.strerror}). Check its path and rights."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"Expected text in UTF-8, got {str(path)!r} ({error}). Save it as UTF-8.") from error
    lines = [line.rstrip("\r") for line in text.split("\n")]
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _with_header(lines: list[str]) -> list[tuple[int, str]]:
    """Rows below a header with a column of numbers and one of names; empty where there is no such header."""
    mark = "\t" if lines and "\t" in lines[0] else ","
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=mark)]
    except csv.Error:
        return []
    header = [cell.lower() for cell in rows[0]] if rows else []
    number = next((header.index(name) for name in NUMBER_COLUMNS if name in header), None)
    name = next((header.index(one) for one in NAME_COLUMNS if one in header and header.index(one) != number), None)
    if number is None or name is None:
        return []
    long_enough = [row for row in rows[1:] if len(row) > max(number, name)]
    pairs = [(_whole(row[number]), row[name]) for row in long_enough]
    return [(value, text) for value, text in pairs if value is not None and text]


def _whole(cell: str) -> int | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return int(value) if value.is_integer() and abs(value) < 2**31 else None


def _workbench(lines: list[str]) -> list[tuple[int, str]]:
    if len(lines) % 2 or not all(WORKBENCH.match(line) for line in lines[1::2]):
        return []
    return [(int(line.split()[0]), name.strip()) for name, line in zip(lines[::2], lines[1::2], strict=True)]


def _numbered(lines: list[str]) -> list[tuple[int, str]]:
    matches = [NUMBERED.match(line) for line in lines]
    pairs = [(int(match[1]), COLOURS.sub("", match[2]).strip()) for match in matches if match is not None]
    has_words = any(re.search(r"[A-Za-z]", name) for _, name in pairs)
    mostly = has_words and len(pairs) > len(lines) / 2
    return [pair for pair in pairs if pair[1] and pair[0] < 2**31] if mostly else []


def _listed(lines: list[str]) -> list[tuple[int, str]]:
    has_words = all(re.search(r"[A-Za-z]", line) and len(line) < 200 for line in lines)
    return [(number, line.strip()) for number, line in enumerate(lines, 1)] if has_words else []
