"""Files of the Hugging Face hub: from the local cache if they are there, else by one request with a time limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from brivl.errors import RequestError

HUB_SECONDS = 5.0  # limit for the hub's first answer; without it transformers retries for most of a minute
Loaded = TypeVar("Loaded")


def model_not_found(name: str, reason: str) -> RequestError:
    """Make the error for a model name that cannot be resolved.

    Parameters
    ----------
    name
        The name that was requested.
    reason
        Why no model was found.

    Returns
    -------
    RequestError
        The error, which lists the forms that a name may have.
    """
    return RequestError(
        f"Expected the name of a model, got {name!r} ({reason}). Choose a shipped model (python -m brivl models "
        "lists them), a timm name such as 'vit_base_patch16_384', a transformers name such as 'bert-base-uncased', or "
        "a folder that holds config.json and model.safetensors."
    )


def from_hub(name: str, load: Callable[[bool], Loaded]) -> Loaded:
    """Load files from the local cache, or else from the hub.

    Parameters
    ----------
    name
        Name of the model on the hub.
    load
        Function that loads the files; its argument says whether only the local cache may be used.

    Returns
    -------
    Loaded
        What `load` returns.

    Raises
    ------
    RequestError
        If the files are not in the cache and the hub does not know the model or does not answer in time.
    """
    try:
        return load(True)
    except Exception:  # timm and transformers raise many types of errors where a file is absent
        _check_hub(name)
    return load(False)


def _check_hub(name: str) -> None:
    """Raise RequestError unless the hub answers in time and knows the model."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        HfApi().model_info(name, timeout=HUB_SECONDS)
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise model_not_found(name, "it is not in the local cache, and the hub does not know it") from error
    except Exception as error:  # whatever the connection, a proxy or the offline mode raise
        raise model_not_found(name, "it is not in the local cache, and the hub cannot be reached") from error
