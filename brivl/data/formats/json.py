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
    """Parse a JSON text.

    Parameters
    ----------
    text : str
        The text.

    Returns
    -------
    object
        Its value.

    Raises
    ------
    ValueError
        The text is not JSON, is nested too deeply, or names half of a surrogate pair.
    """
    try:
        value = json.loads(text)
        if _SURROGATE.search(text):  # two of them make a character; one alone can neither be shown nor stored
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return value


def read_json_object(path: Path) -> dict:
    """Read a JSON file that holds one object.

    Parameters
    ----------
    path : Path
        File in UTF-8, with or without a byte order mark.

    Returns
    -------
    dict
        The object.

    Raises
    ------
    DataError
        The file cannot be read, is not JSON, or holds something else.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(
                f"Expected a JSON description of at most {MAX_BYTES // 2**20} MiB, got {path.stat().st_size:,} bytes "
                f"in {str(path)!r}. Replace or remove it."
            )
        value = parse_json(path.read_text("utf-8-sig"))
    except OSError as error:
        raise DataError(
            f"Expected a file that can be read, got {str(path)!r} ({error.strerror}). Check its path and rights."
        ) from error
    except ValueError as error:
        raise DataError(f"Expected JSON in UTF-8 in {str(path)!r}, got {error}. Correct or remove it.") from error
    if not isinstance(value, dict):
        raise DataError(
            f"Expected one JSON object {{...}} in {str(path)!r}, got {type(value).__name__!r}. Correct or remove it."
        )
    return value
