"""Checkpoints of a run: a folder for each, written aside and renamed, and a file `latest` that names the newest.

    step-000500/model.safetensors      dual stream, momentum twin, both queues
    step-000500/optimizer.safetensors  Adam's moments and counts, by the parameter's name
    step-000500/state.json             step, place in the data, pointers, states of chance, settings

Tensors are kept bit for bit and nothing is pickled. However a run ends, `latest` names a checkpoint that is whole.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from brivl.errors import DataError
from brivl.models.weights import read_exact, save_exact
from brivl.store.writing import atomic_path, write_bytes

RngStates = list[dict[str, list[int]]]  # of each rank, by device


def seed_rank(accelerator: Accelerator, seed: int) -> None:
    """Each rank draws its own numbers (dropout) from here on; until then all must draw the same (weights, queues)."""
    torch.manual_seed(seed * 1_000 + accelerator.process_index)


def rng_states(accelerator: Accelerator) -> RngStates:
    """States of torch's generators, rank by rank."""
    own = {"cpu": torch.get_rng_state()}
    if accelerator.device.type == "cuda":
        own["cuda"] = torch.cuda.get_rng_state(accelerator.device)
    gathered = {name: accelerator.gather(state[None].to(accelerator.device)).cpu() for name, state in own.items()}
    return [{name: states[rank].tolist() for name, states in gathered.items()} for rank in range(len(gathered["cpu"]))]


def set_rng_states(accelerator: Accelerator, states: Sequence[dict[str, list[int]]]) -> None:
    """Put this rank's state back."""
    own = states[accelerator.process_index]
    torch.set_rng_state(torch.tensor(own["cpu"], dtype=torch.uint8))
    if accelerator.device.type == "cuda" and "cuda" in own:
        torch.cuda.set_rng_state(torch.tensor(own["cuda"], dtype=torch.uint8), accelerator.device)


LATEST = "latest"
N_KEPT = 2
_NAME = re.compile(r"^step-\d{6,}$")


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on as if it had never stopped."""

    step: int
    model: Mapping[str, torch.Tensor]
    optimizer: Mapping[str, torch.Tensor]
    state: Mapping[str, Any]


def save_checkpoint(out: Path, checkpoint: Checkpoint, n_kept: int = N_KEPT) -> Path:
    """Write it below `out`, point `latest` to it, and remove all but the newest n_kept."""
    folder = out / f"step-{checkpoint.step:06d}"
    out.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder, flush=True) as tmp_path:
        tmp_path.mkdir()
        save_exact(tmp_path / "model.safetensors", checkpoint.model)
        save_exact(tmp_path / "optimizer.safetensors", checkpoint.optimizer)
        state = json.dumps({"step": checkpoint.step, **checkpoint.state}, sort_keys=True)
        (tmp_path / "state.json").write_text(state)
        if folder.exists():  # of a run that was stopped before it could point to it
            shutil.rmtree(folder)
    write_bytes(out / LATEST, f"{folder.name}\n".encode(), flush=True)
    _prune(out, n_kept)
    return folder


def read_checkpoint(out: Path) -> Checkpoint | None:
    """The newest one, or None where there is none. Raises DataError if it is damaged."""
    if not (out / LATEST).exists():
        return None
    name = (out / LATEST).read_text().strip()
    if not _NAME.match(name) or not (out / name).is_dir():
        raise DataError(f"{str(out / LATEST)!r} should name a checkpoint beside it and holds {name!r}; mend it.")
    try:
        state = json.loads((out / name / "state.json").read_text())
        parts = [read_exact(out / name / f"{part}.safetensors") for part in ("model", "optimizer")]
        return Checkpoint(int(state["step"]), *parts, state)
    except (OSError, ValueError, KeyError, TypeError, DataError) as error:
        raise DataError(
            f"The checkpoint {str(out / name)!r} is damaged ({error}); write the name of the one before it into "
            f"{str(out / LATEST)!r}."
        ) from error


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: Mapping[torch.Tensor, str]) -> dict[str, torch.Tensor]:
    """State of an optimiser as tensors "parameter/kind"."""
    return {f"{names[p]}/{kind}": value for p, state in optimizer.state.items() for kind, value in state.items()}


def load_optimizer(
    optimizer: torch.optim.Optimizer, names: Mapping[torch.Tensor, str], tensors: Mapping[str, torch.Tensor]
) -> None:
    """Put such a state back. Raises DataError where it belongs to other parameters."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    states: dict[str, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        parameter, _, kind = name.rpartition("/")
        states.setdefault(parameter, {})[kind] = value
    if strange := sorted(states.keys() - {names[p] for p in parameters}):
        raise DataError(f"The checkpoint has moments of {strange[:3]}, which are not trained; use its own settings.")
    own = optimizer.state_dict()
    own["state"] = {i: states[names[p]] for i, p in enumerate(parameters) if names[p] in states}
    optimizer.load_state_dict(own)


def _prune(out: Path, n_kept: int) -> None:
    kept = sorted(path.name for path in out.iterdir() if _NAME.match(path.name))
    newest = sorted(kept, key=lambda name: int(name.removeprefix("step-")))[-n_kept:]
    for path in out.iterdir():
        old = _NAME.match(path.name) and path.name not in newest
        if old or re.match(r"^\.step-\d+\..+", path.name):
            shutil.rmtree(path, ignore_errors=True)
