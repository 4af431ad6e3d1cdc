"""Models whose two streams share one embedding space, and their digests; imports no torch, so that pages can look
results up quickly.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from brivl.errors import RequestError
from brivl.models.encoders.model_files import named_digests
from brivl.models.feature_model import file_sha
from brivl.models.registry import BRIVL_MINI, SHIPPED, model_digest

EMBEDDER_VERSION = 1


def embedder_digest(name: str) -> str:
    """Compute the digest of a dual-stream model from its files, without loading it.

    Parameters
    ----------
    name
        Shipped model, file, folder or name on the hub. A name on the hub is identified by the commit that was
        downloaded, if there is one.

    Returns
    -------
    str
        32 hexadecimal digits.

    Raises
    ------
    RequestError
        If it is a shipped model of one stream.
    """
    if name in SHIPPED:
        check_both_streams(name)
        values: list[str] = [model_digest(name, "image"), model_digest(name, "text")]
    elif Path(name).is_file():
        values = ["file", file_sha(Path(name))]
    elif Path(name).is_dir():
        values = named_digests(name)
    else:
        values = ["hub", name, _commit(name)]
    return hashlib.sha256(json.dumps([EMBEDDER_VERSION, *values]).encode()).hexdigest()[:32]


def check_both_streams(name: str) -> None:
    """Check that a shipped model embeds images and sentences.

    Parameters
    ----------
    name
        Name of the model; names that are not shipped pass.

    Raises
    ------
    RequestError
        If it is a shipped model of one stream.
    """
    if name in SHIPPED and name != BRIVL_MINI:
        raise RequestError(
            f"Expected a model that embeds images and sentences in one space, got {name!r}, which takes "
            f"{' and '.join(SHIPPED[name].kinds)} only. Choose {BRIVL_MINI!r}, or a CLIP by its name or folder."
        )


def _commit(name: str) -> str:
    """Commit of a hub model in the local cache, "" where it has not been downloaded."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        file = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return ""
    return Path(file).parent.name if isinstance(file, str) else ""
