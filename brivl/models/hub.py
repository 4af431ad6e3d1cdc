"""Files of the Hugging Face hub: from what was downloaded before, else asked for once and with a time limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from brivl.errors import RequestError

HUB_SECONDS = 5.0  # to wait for the hub's first answer; without this, transformers tries for most of a minute
Loaded = TypeVar("Loaded")


def model_not_found(name: str, reason: str) -> RequestError:
    """The error that says what a model may be called."""
    return RequestError(
        f"Wanted a model and found none called {name!r} ({reason}). Choose a shipped model (python -m brivl models "
        "lists them), a timm name such as 'vit_base_patch16_384', a transformers name such as 'bert-base-uncased', or "
        "a folder that holds config.json and model.safetensors."
    )


def from_hub(name: str, load: Callable[[bool], Loaded]) -> Loaded:
    """load(local_files_only) from what was downloaded before, else from the hub if that answers within seconds."""
    try:
        return load(True)
    except Exception:  # timm and transformers raise many kinds where a file is absent
        _ask_hub(name)
    return load(False)


def _ask_hub(name: str) -> None:
    """Raise RequestError unless the hub answers soon and knows the model."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        HfApi().model_info(name, timeout=HUB_SECONDS)
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise model_not_found(name, "nothing of it is on this machine, and the hub does not know it") from error
    except Exception as error:  # whatever the connection, a proxy or the offline mode raise
        raise model_not_found(name, "nothing of it is on this machine, and the hub cannot be reached") from error
