"""Checkpoints of a run: one folder each, written under a temporary name and renamed, and a file `latest`.

    step-000500/model.safetensors      dual stream, momentum encoder, both queues
    step-000500/optimizer.safetensors  Adam's moments and counts, by the name of the parameter
    step-000500/state.json             step, position in the data, pointers, states of random generators, settings

Tensors are stored bit for bit and nothing is pickled. However a run ends, `latest` names a complete checkpoint.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from brivl.errors import DataError
from brivl.models.weights import read_exact, save_exact
from brivl.store.writing import atomic_path, write_bytes

if TYPE_CHECKING:
    from accelerate import Accelerator

RngStates = list[dict[str, list[int]]]  # of each rank, by device
LATEST = "latest"
N_KEPT = 2
_NAME = re.compile(r"^step-\d{6,}$")


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a run needs to continue as if it had never stopped."""

    step: int
    model: Mapping[str, torch.Tensor]
    optimizer: Mapping[str, torch.Tensor]
    state: Mapping[str, Any]  # further values, as JSON holds them


def seed_rank(accelerator: Accelerator, seed: int) -> None:
    """Seed torch differently on each rank.

    Dropout must differ between ranks; initial weights and queues, which are drawn before, must be the same.

    Parameters
    ----------
    accelerator
        Accelerate's state of this rank.
    seed
        Random seed of the run.
    """
    torch.manual_seed(seed * 1_000 + accelerator.process_index)


def rng_states(accelerator: Accelerator) -> RngStates:
    """Gather the states of torch's random generators from all ranks.

    Parameters
    ----------
    accelerator
        Accelerate's state of this rank.

    Returns
    -------
    RngStates
        States of each rank, by device.
    """
    own = {"cpu": torch.get_rng_state()}
    if accelerator.device.type == "cuda":
        own["cuda"] = torch.cuda.get_rng_state(accelerator.device)
    gathered = {name: accelerator.gather(state[None].to(accelerator.device)).cpu() for name, state in own.items()}
    return [{name: states[rank].tolist() for name, states in gathered.items()} for rank in range(len(gathered["cpu"]))]


def set_rng_states(accelerator: Accelerator, states: Sequence[Mapping[str, list[int]]]) -> None:
    """Restore the states of this rank's random generators.

    Parameters
    ----------
    accelerator
        Accelerate's state of this rank.
    states
        States of each rank, from `rng_states`.
    """
    own = states[accelerator.process_index]
    torch.set_rng_state(torch.tensor(own["cpu"], dtype=torch.uint8))
    if accelerator.device.type == "cuda" and "cuda" in own:
        torch.cuda.set_rng_state(torch.tensor(own["cuda"], dtype=torch.uint8), accelerator.device)


def save_checkpoint(out: Path, checkpoint: Checkpoint, n_kept: int = N_KEPT) -> Path:
    """Write a checkpoint, point `latest` to it, and delete all but the newest ones.

    Parameters
    ----------
    out
        Folder of the run.
    checkpoint
        The checkpoint.
    n_kept
        Number of checkpoints to keep.

    Returns
    -------
    Path
        Folder of the checkpoint.
    """
    folder = out / f"step-{checkpoint.step:06d}"
    out.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder, flush=True) as tmp_path:
        tmp_path.mkdir()
        save_exact(tmp_path / "model.safetensors", checkpoint.model)
        save_exact(tmp_path / "optimizer.safetensors", checkpoint.optimizer)
        state = json.dumps({"step": checkpoint.step, **checkpoint.state}, sort_keys=True)
        (tmp_path / "state.json").write_text(state)
        if folder.exists():  # of a run that was stopped before `latest` named it
            shutil.rmtree(folder)
    write_bytes(out / LATEST, f"{folder.name}\n".encode(), flush=True)
    _prune(out, n_kept)
    return folder


def read_checkpoint(out: Path) -> Checkpoint | None:
    """Read the newest checkpoint of a run.

    Parameters
    ----------
    out
        Folder of the run.

    Returns
    -------
    Checkpoint or None
        The checkpoint; None where there is none.

    Raises
    ------
    DataError
        If it is damaged.
    """
    if not (out / LATEST).exists():
        return None
    name = (out / LATEST).read_text().strip()
    if not _NAME.match(name) or not (out / name).is_dir():
        raise DataError(f"Expected the name of a checkpoint in {str(out / LATEST)!r}, got {name!r}. Correct the file.")
    try:
        state = json.loads((out / name / "state.json").read_text())
        model, optimizer = (read_exact(out / name / f"{part}.safetensors") for part in ("model", "optimizer"))
        return Checkpoint(int(state["step"]), model, optimizer, state)
    except (OSError, ValueError, KeyError, TypeError, DataError) as error:
        raise DataError(
            f"Expected a checkpoint in {str(out / name)!r}, got a damaged one ({error}). Write the name of the one "
            f"before it into {str(out / LATEST)!r}."
        ) from error


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: Mapping[torch.Tensor, str]) -> dict[str, torch.Tensor]:
    """Collect the state of an optimiser.

    Parameters
    ----------
    optimizer
        The optimiser.
    names
        Names of its parameters.

    Returns
    -------
    dict
        "PARAMETER/KIND" -> tensor.
    """
    return {f"{names[p]}/{kind}": value for p, state in optimizer.state.items() for kind, value in state.items()}


def load_optimizer(
    optimizer: torch.optim.Optimizer, names: Mapping[torch.Tensor, str], tensors: Mapping[str, torch.Tensor]
) -> None:
    """Restore the state of an optimiser.

    Parameters
    ----------
    optimizer
        The optimiser.
    names
        Names of its parameters.
    tensors
        Its state, from `optimizer_tensors`.

    Raises
    ------
    DataError
        If the state belongs to other parameters.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    states: dict[str, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        parameter, _, kind = name.rpartition("/")
        states.setdefault(parameter, {})[kind] = value
    if others := sorted(states.keys() - {names[p] for p in parameters}):
        raise DataError(
            f"Expected moments of the trained parameters in the checkpoint, got those of {others[:3]} as well. Use "
            "the settings that the run was started with."
        )
    own = optimizer.state_dict()
    own["state"] = {i: states[names[p]] for i, p in enumerate(parameters) if names[p] in states}
    optimizer.load_state_dict(own)


def _prune(out: Path, n_kept: int) -> None:
    names = sorted(path.name for path in out.iterdir() if _NAME.match(path.name))
    newest = sorted(names, key=lambda name: int(name.removeprefix("step-")))[-n_kept:]
    for path in out.iterdir():
        is_old = _NAME.match(path.name) and path.name not in newest
        if is_old or re.match(r"^\.step-\d+\..+", path.name):
            shutil.rmtree(path, ignore_errors=True)
