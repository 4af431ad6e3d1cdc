"""Descriptions of images in a file: JSON lines with `item` and `text`, or two columns with a tab between.

An item is the name of an image file, with its ending or without, or the number of the image from 0.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from brivl.errors import DataError

ENDINGS = (".jsonl", ".tsv")
MAX_BYTES = 200_000_000
MAX_CHARACTERS = 4000  # of one description


def is_description_file(name: str) -> bool:
    """Tell by its ending whether a name is that of a file of descriptions.

    Parameters
    ----------
    name : str
        Name of a file, which need not exist.

    Returns
    -------
    bool
        True for .jsonl and .tsv.
    """
    return Path(name).suffix.lower() in ENDINGS


def read_descriptions(path: Path, items: Sequence[Sequence[str]]) -> list[str]:
    """Read a text for each item.

    Parameters
    ----------
    path : Path
        JSON lines or a table, as the module says.
    items : sequence of sequence of str
        Names of each item, any of which may stand in the file; the first that does is taken.

    Returns
    -------
    list of str
        One text for each item.

    Raises
    ------
    DataError
        The file cannot be read, a line has neither form, or a text is given twice or not at all.
    """
    by_item = _lines(path)
    texts: list[str] = []
    missing = []
    for names in items:
        text = next((by_item[name] for name in names if name in by_item), None)
        if text is None:
            missing.append(names[0])
        else:
            texts.append(text)
    if missing:
        raise DataError(
            f"Expected a text for each of {len(items)} images in {str(path)!r}, got none for {len(missing)}, such as "
            f"{missing[0]!r}. Add them."
        )
    return texts


def _lines(path: Path) -> dict[str, str]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(
                f"Expected descriptions of at most {MAX_BYTES // 10**6} MB, got more in {str(path)!r}. Split it."
            )
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"Expected descriptions in UTF-8, got {str(path)!r}, which cannot be read ({error}). Save it as UTF-8."
        ) from error
    read = _json if path.suffix.lower() == ".jsonl" else _tabbed
    texts: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or (number == 1 and line.lower().split("\t") == ["item", "text"]):
            continue
        item, text = read(line) or ("", "")
        if not item or not text:
            raise DataError(
                f'Expected {{"item": ..., "text": ...}} or ITEM, a tab and a text in line {number} of {str(path)!r}, '
                f"got {line[:80]!r}. Correct the line."
            )
        if item in texts:
            raise DataError(
                f"Expected one text for {item!r} in {str(path)!r}, got a second in line {number}. Remove one of them."
            )
        texts[item] = text[:MAX_CHARACTERS]
    return texts


def _json(line: str) -> tuple[str, str] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("text"), str):
        return None
    item = entry.get("item")
    named = isinstance(item, str | int) and not isinstance(item, bool)
    return (str(item).strip(), entry["text"].strip()) if named else None


def _tabbed(line: str) -> tuple[str, str] | None:
    item, tab, text = line.partition("\t")
    return (item.strip(), " ".join(text.split())) if tab else None
