"""Small JSON files that describe data."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from brivl.errors import DataError

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
MAX_BYTES = 16 * 2**20  # a description is a few kB; anything larger is not one


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises ValueError where it is none, is nested too deeply, or names half a character."""
    try:
        value = json.loads(text)
        if _SURROGATE.search(text):  # two of them make a character; one alone can neither be shown nor stored
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return value


def read_json_object(path: Path) -> dict:
    """The object in a UTF-8 JSON file (a byte order mark is tolerated).

    DataError where the file cannot be read, is not JSON, or holds something else than one object.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{str(path)!r} should be a short JSON description but has {path.stat().st_size} bytes.")
        value = parse_json(path.read_text("utf-8-sig"))
    except OSError as error:
        raise DataError(f"Wanted to read {str(path)!r}, but it cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise DataError(f"{str(path)!r} should be JSON in UTF-8 but is not ({error}); mend or remove it.") from error
    if not isinstance(value, dict):
        raise DataError(f"{str(path)!r} should hold one JSON object {{...}} but holds {type(value).__name__!r}.")
    return value
