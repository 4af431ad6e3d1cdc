"""Read the checkpoints of taming-transformers: a config yaml and a Lightning checkpoint of tensors."""

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

LEFT_OUT = "loss."  # discriminator and LPIPS: training needs them, generation does not
LARGEST = 65_536  # of any size in a config: a wrong file must not ask for all the memory there is
SIZES = ("resolution", "in_channels", "out_ch", "z_channels", "ch", "num_res_blocks")


@dataclass(frozen=True)
class TamingReport:
    """What became of a checkpoint's keys; nothing else was in it."""

    n_loaded: int
    left_out: tuple[str, ...]  # keys of loss.*, knowingly not used


def load_taming(config_file: Path, checkpoint_file: Path) -> tuple[Vqgan, TamingReport]:
    """A VQGAN as taming-transformers saves it, frozen and in evaluation mode, and what became of its keys.

    Raises DataError where a file is missing, is no such file or does not fit the other, naming missing and
    unexpected keys.
    """
    config = read_taming_config(config_file)
    state = _read_state(checkpoint_file)
    left_out = tuple(sorted(key for key in state if key.startswith(LEFT_OUT)))
    wanted = {key: value for key, value in state.items() if not key.startswith(LEFT_OUT)}
    with torch.device("meta"):  # its own first weights would be thrown away
        model = Vqgan(config)
    _check_keys(model, wanted, checkpoint_file.name)
    model.load_state_dict({key: value.float() for key, value in wanted.items()}, assign=True)
    return model.eval().requires_grad_(False), TamingReport(len(wanted), left_out)


def read_taming_config(path: Path) -> VqganConfig:
    """The sizes in a taming config: model.params.{embed_dim, n_embed, ddconfig}. Raises DataError."""
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(
            f"Wanted a taming config in {path.name!r} and could not read it ({_short(error)}); fetch it again."
        ) from error
    model = _part({"config": read}, "config", path).get("model")
    model = _part({"model": model}, "model", path)
    target = str(model.get("target", "")).rsplit(".", 1)[-1]
    if target not in ("", "VQModel"):
        raise DataError(
            f"Wanted a config of a VQModel and {path.name!r} is one of {target!r}; give the config of a VQGAN with a "
            "plain codebook, such as vqgan_imagenet_f16_16384."
        )
    params = _part(model, "params", path)
    sizes = _part(params, "ddconfig", path)
    width = _size(sizes, "ch", path)
    if any(width * m % 32 for m in _sizes(sizes, "ch_mult", path)):
        raise DataError(
            f"Wanted widths that 32 groups divide, as in every VQGAN of taming, and {path.name!r} has ch={width} "
            f"times {sizes['ch_mult']}; give the config that belongs to the checkpoint."
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


def _part(fields: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    if not isinstance(fields.get(name), Mapping):
        raise DataError(
            f"Wanted fields under {name!r} in the taming config {path.name!r} and found {fields.get(name)!r:.80}; "
            "it should read model: params: {embed_dim, n_embed, ddconfig: {...}}."
        )
    return fields[name]


def _size(fields: Mapping[str, Any], name: str, path: Path) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LARGEST:
        raise DataError(
            f"Wanted a whole number from 1 to {LARGEST:,} for {name!r} in the taming config {path.name!r} and found "
            f"{value!r:.80}; correct it."
        )
    return value


def _sizes(fields: Mapping[str, Any], name: str, path: Path) -> tuple[int, ...]:
    values = fields.get(name)
    if not isinstance(values, list) or len(values) > 12:
        raise DataError(
            f"Wanted a list of whole numbers for {name!r} in the taming config {path.name!r} and found "
            f"{values!r:.80}; correct it."
        )
    return tuple(_size({name: value}, name, path) for value in values)


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    try:
        read = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(
            f"Wanted a checkpoint of tensors in {path.name!r} and could not read it as such ({_short(error)}). Where "
            "it also holds Python objects, save its 'state_dict' alone with torch.save and give that."
        ) from error
    state = read.get("state_dict", read) if isinstance(read, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise DataError(
            f"Wanted a checkpoint with tensors under 'state_dict' and {path.name!r} holds something else; give the "
            ".ckpt file of a VQGAN."
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
            f"The checkpoint {source!r} does not fit its config: missing {missing[:3]} ({len(missing)} in all), "
            f"unexpected {unexpected[:3]} ({len(unexpected)}), of another shape {misshapen[:3]} ({len(misshapen)}). "
            "Give the config that belongs to it."
        )


def _short(error: Exception) -> str:
    """The first line of what a library said, without its advice to trust the file."""
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
