"""Weights on disk: safetensors only, half precision, only what was trained."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from brivl.errors import DataError


def save_weights(path: Path, state: Mapping[str, torch.Tensor], info: Mapping[str, object]) -> None:
    """Write tensors as float16 with `info` as JSON in the header; written aside and renamed, so never half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    tensors = {name: _stored(value.detach().cpu()) for name, value in state.items()}
    save_file(tensors, aside, metadata={"info": json.dumps(dict(info), sort_keys=True)})
    os.replace(aside, path)


def _stored(value: torch.Tensor) -> torch.Tensor:
    return (value.half() if value.is_floating_point() else value).contiguous()


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a safetensors file as float32.

    Raises DataError if the file is missing, truncated or no safetensors file.
    """
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"Wanted weights in {path.name!r} and could not read them ({error}); fetch the file again."
        ) from error


def read_info(path: Path) -> dict:
    """The JSON that save_weights put into the header; {} if there is none."""
    try:
        with safe_open(path, "pt") as file:
            info = json.loads((file.metadata() or {}).get("info", "{}"))
    except (OSError, SafetensorError, ValueError, RecursionError) as error:
        raise DataError(
            f"Wanted weights in {path.name!r} and could not read them ({error}); fetch the file again."
        ) from error
    if not isinstance(info, dict):
        raise DataError(
            f"Wanted a note (a JSON object) in the header of {path.name!r} and got {info!r:.60}; fetch the file again."
        )
    return info


def load_into(
    module: torch.nn.Module, state: Mapping[str, torch.Tensor], *, source: str, missing_ok: frozenset[str]
) -> None:
    """Put tensors into a module; every key must find its place, and only `missing_ok` may be absent.

    Raises DataError naming the missing, unexpected or misshapen keys: nothing is dropped silently.
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


def save_exact(path: Path, state: Mapping[str, torch.Tensor]) -> None:
    """Write tensors bit for bit and flush them to disk; for checkpoints, whose folder is what gets renamed."""
    save_file({name: value.detach().cpu().contiguous() for name, value in state.items()}, path)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def read_exact(path: Path) -> dict[str, torch.Tensor]:
    """Tensors as save_exact wrote them. Raises DataError if the file is missing, truncated or of another kind."""
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError) as error:
        raise DataError(f"Wanted the checkpoint {str(path)!r} and could not read it ({error}).") from error
