"""Checkpoints of taming-transformers: a yaml configuration and a Lightning checkpoint of tensors."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from brivl.errors import DataError
from brivl.models.generation.vqgan import Vqgan, VqganConfig

LEFT_OUT = "loss."  # discriminator and LPIPS, which training needs and generation does not
MAX_SIZE = 65_536  # of any size in a configuration: a wrong file must not allocate all memory
SIZES = ("resolution", "in_channels", "out_ch", "z_channels", "ch", "num_res_blocks")


@dataclass(frozen=True)
class TamingReport:
    """What became of the keys of a checkpoint."""

    n_loaded: int
    left_out: tuple[str, ...]  # keys of loss.*, which are not used


def load_taming(config_file: Path, checkpoint_file: Path) -> tuple[Vqgan, TamingReport]:
    """Load a VQGAN that taming-transformers saved.

    Parameters
    ----------
    config_file
        Yaml configuration.
    checkpoint_file
        Lightning checkpoint.

    Returns
    -------
    model : Vqgan
        The model, frozen and in evaluation mode.
    report : TamingReport
        What became of the keys.

    Raises
    ------
    DataError
        If a file is missing, is of another kind or does not fit the other; the message lists the keys.
    """
    config = read_taming_config(config_file)
    state = _read_state(checkpoint_file)
    left_out = tuple(sorted(key for key in state if key.startswith(LEFT_OUT)))
    used = {key: value for key, value in state.items() if not key.startswith(LEFT_OUT)}
    with torch.device("meta"):  # initial weights would be discarded
        model = Vqgan(config)
    _check_keys(model, used, checkpoint_file.name)
    model.load_state_dict({key: value.float() for key, value in used.items()}, assign=True)
    return model.eval().requires_grad_(False), TamingReport(len(used), left_out)


def read_taming_config(path: Path) -> VqganConfig:
    """Read the sizes in a configuration of taming: model.params.{embed_dim, n_embed, ddconfig}.

    Parameters
    ----------
    path
        Yaml configuration.

    Returns
    -------
    VqganConfig
        The sizes.

    Raises
    ------
    DataError
        If the file cannot be read or describes another model.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(
            f"Expected a taming configuration in {path.name!r}, which cannot be read ({_short(error)}). Fetch it again."
        ) from error
    model = _section({"config": content}, "config", path).get("model")
    model = _section({"model": model}, "model", path)
    target = str(model.get("target", "")).rsplit(".", 1)[-1]
    if target not in ("", "VQModel"):
        raise DataError(
            f"Expected the configuration of a VQModel, got {path.name!r} of {target!r}. Give that of a VQGAN with a "
            "plain codebook, such as vqgan_imagenet_f16_16384."
        )
    params = _section(model, "params", path)
    sizes = _section(params, "ddconfig", path)
    width = _size(sizes, "ch", path)
    if any(width * m % 32 for m in _sizes(sizes, "ch_mult", path)):
        raise DataError(
            f"Expected widths that 32 groups divide, as in every VQGAN of taming, got ch={width} times "
            f"{sizes['ch_mult']} in {path.name!r}. Give the configuration that belongs to the checkpoint."
        )
    return VqganConfig(
        **{name: _size(sizes, name, path) for name in SIZES},
        ch_mult=_sizes(sizes, "ch_mult", path),
        attn_resolutions=_sizes(sizes, "attn_resolutions", path),
        double_z=bool(sizes.get("double_z", False)),
        dropout=float(sizes.get("dropout", 0.0) or 0.0),
        embed_dim=_size(params, "embed_dim", path),
        n_embed=_size(params, "n_embed", path),
    )


def _section(fields: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    if not isinstance(fields.get(name), Mapping):
        raise DataError(
            f"Expected fields under {name!r} in the taming configuration {path.name!r}, got {fields.get(name)!r:.80}. "
            "It should read model: params: {embed_dim, n_embed, ddconfig: {...}}."
        )
    return fields[name]


def _size(fields: Mapping[str, Any], name: str, path: Path) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_SIZE:
        raise DataError(
            f"Expected an integer from 1 to {MAX_SIZE:,} for {name!r} in the taming configuration {path.name!r}, got "
            f"{value!r:.80}. Correct it."
        )
    return value


def _sizes(fields: Mapping[str, Any], name: str, path: Path) -> tuple[int, ...]:
    values = fields.get(name)
    if not isinstance(values, list) or len(values) > 12:
        raise DataError(
            f"Expected a list of integers for {name!r} in the taming configuration {path.name!r}, got {values!r:.80}. "
            "Correct it."
        )
    return tuple(_size({name: value}, name, path) for value in values)


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(
            f"Expected a checkpoint of tensors in {path.name!r}, which cannot be read as one ({_short(error)}). If it "
            "also holds Python objects, save its 'state_dict' alone with torch.save and give that."
        ) from error
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise DataError(
            f"Expected tensors under 'state_dict' in {path.name!r}, got something else. Give the .ckpt file of a VQGAN."
        )
    return {str(key): value for key, value in state.items()}


def _check_keys(model: Vqgan, state: Mapping[str, torch.Tensor], source: str) -> None:
    own = model.state_dict()
    missing, unexpected = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    misshapen = [
        f"{key} {tuple(state[key].shape)}, not {tuple(own[key].shape)}"
        for key in sorted(set(own) & set(state))
        if own[key].shape != state[key].shape
    ]
    if missing or unexpected or misshapen:
        raise DataError(
            f"The checkpoint {source!r} does not fit its configuration: missing {missing[:3]} ({len(missing)} in all), "
            f"unexpected {unexpected[:3]} ({len(unexpected)}), of another shape {misshapen[:3]} ({len(misshapen)}). "
            "Give the configuration that belongs to it."
        )


def _short(error: Exception) -> str:
    """The first line of a library's message, without its advice to trust the file."""
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
