"""Weights on disk: safetensors only, so that nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from stat import S_IMODE
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from brivl.errors import DataError
from brivl.store.writing import atomic_path


def save_weights(path: Path, state: Mapping[str, torch.Tensor], info: Mapping[str, object]) -> None:
    """Write a model's tensors in half precision.

    Parameters
    ----------
    path
        Safetensors file to write; it is replaced atomically.
    state
        Tensors by name; floating-point ones are stored as float16.
    info
        Values for the header, stored as JSON.
    """
    _write(path, {name: _halved(value) for name, value in state.items()}, info)


def save_exact(path: Path, state: Mapping[str, torch.Tensor], info: Mapping[str, object] | None = None) -> None:
    """Write tensors bit for bit and flush them to the disk, as checkpoints need it.

    Parameters
    ----------
    path
        Safetensors file to write; it is replaced atomically.
    state
        Tensors by name.
    info
        Values for the header, stored as JSON; no header where None.
    """
    _write(path, state, info)


def _halved(value: torch.Tensor) -> torch.Tensor:
    return value.half() if value.is_floating_point() else value


def _write(path: Path, state: Mapping[str, torch.Tensor], info: Mapping[str, object] | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    metadata = None if info is None else {"info": json.dumps(dict(info), sort_keys=True)}
    with atomic_path(path, flush=True) as tmp_path:
        tmp_path.touch()
        mode = tmp_path.stat().st_mode  # as the umask says; safetensors writes 0600 whatever it says
        save_file(tensors, tmp_path, metadata=metadata)
        tmp_path.chmod(S_IMODE(mode))


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a safetensors file as float32.

    Parameters
    ----------
    path
        Safetensors file.

    Returns
    -------
    dict
        Tensors by name.

    Raises
    ------
    DataError
        If the file is missing, truncated or no safetensors file.
    """
    try:
        return {name: value.float() for name, value in _tensors(path).items()}
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error


def read_exact(path: Path) -> dict[str, torch.Tensor]:
    """Read tensors as `save_exact` wrote them.

    Parameters
    ----------
    path
        Safetensors file.

    Returns
    -------
    dict
        Tensors by name.

    Raises
    ------
    DataError
        If the file is missing, truncated or no safetensors file.
    """
    try:
        return _tensors(path)
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"Expected a checkpoint in {str(path)!r}, got a file that cannot be read ({error}). Restore or remove it."
        ) from error


def read_info(path: Path) -> dict[str, Any]:
    """Read the values that `save_weights` put into the header.

    Parameters
    ----------
    path
        Safetensors file.

    Returns
    -------
    dict
        The values; empty if there are none.

    Raises
    ------
    DataError
        If the file cannot be read or its header holds no JSON object.
    """
    try:
        with safe_open(path, "pt") as file:
            info = json.loads((file.metadata() or {}).get("info", "{}"))
    except (OSError, SafetensorError, ValueError, RecursionError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(info, dict):
        raise DataError(
            f"Expected a JSON object in the header of {path.name!r}, got {info!r:.60}. Fetch the file again."
        )
    return info


def load_into(
    module: torch.nn.Module, state: Mapping[str, torch.Tensor], *, source: str, missing_ok: frozenset[str]
) -> None:
    """Load tensors into a module without dropping any of them.

    Parameters
    ----------
    module
        Module to fill.
    state
        Tensors by name.
    source
        Name of the file, for error messages.
    missing_ok
        Names in the module that `state` may lack.

    Raises
    ------
    DataError
        If names are missing or unexpected, or shapes differ; the message lists them.
    """
    own = module.state_dict()
    unexpected = sorted(set(state) - set(own))
    missing = sorted(set(own) - set(state) - missing_ok)
    misshapen = sorted(k for k in set(state) & set(own) if state[k].shape != own[k].shape)
    if unexpected or missing or misshapen:
        raise DataError(
            f"The weights in {source!r} do not fit the model: missing {missing[:3]} ({len(missing)} in all), "
            f"unexpected {unexpected[:3]} ({len(unexpected)}), of another shape {misshapen[:3]} ({len(misshapen)}). "
            "Use the weights that belong to this size."
        )
    module.load_state_dict(dict(state), strict=False)


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"Expected weights in {path.name!r}, got a file that cannot be read ({error}). Fetch the file again."
    )
