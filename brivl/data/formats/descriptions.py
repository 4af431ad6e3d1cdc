"""Descriptions of pictures in a file: JSON lines with `item` and `text`, or two columns with a tab between.

An item is the name of an image file, with its ending or without, or the number of the picture from 0.
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
    """Whether a name is meant as such a file, whether it is there or not."""
    return Path(name).suffix.lower() in ENDINGS


def read_descriptions(path: Path, items: Sequence[Sequence[str]]) -> list[str]:
    """A text for each item, which may go by any of its names.

    Raises DataError for a file that cannot be read, a line that is none, a text that is given twice or not at all.
    """
    found = _lines(path)
    texts: list[str] = []
    missing = []
    for names in items:
        text = next((found[name] for name in names if name in found), None)
        if text is None:
            missing.append(names[0])
        else:
            texts.append(text)
    if missing:
        raise DataError(
            f"{str(path)!r} should have a text for each of {len(items)} pictures, and has none for {len(missing)}, "
            f"such as {missing[0]!r}; add them."
        )
    return texts


def _lines(path: Path) -> dict[str, str]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{str(path)!r} should be of at most {MAX_BYTES // 10**6} MB; split it.")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"Wanted descriptions in {str(path)!r} and could not read them ({error}).") from error
    read = _json if path.suffix.lower() == ".jsonl" else _tabbed
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or (number == 1 and line.lower().split("\t") == ["item", "text"]):
            continue
        item, text = read(line) or ("", "")
        if not item or not text:
            raise DataError(
                f'Line {number} of {str(path)!r} should be {{"item": ..., "text": ...}} or ITEM, a tab and a text, and '
                f"is {line[:80]!r}."
            )
        if item in found:
            raise DataError(f"{str(path)!r} has two texts for {item!r}, the second in line {number}; leave one.")
        found[item] = text[:MAX_CHARACTERS]
    return found


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
