"""States of chance of all ranks as lists of numbers, so that a resumed run draws what it would have drawn."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from accelerate import Accelerator

States = list[dict[str, list[int]]]  # of each rank, by device


def seed_rank(accelerator: Accelerator, seed: int) -> None:
    """Each rank draws its own numbers (dropout) from here on; until then all must draw the same (weights, queues)."""
    torch.manual_seed(seed * 1_000 + accelerator.process_index)


def chance_states(accelerator: Accelerator) -> States:
    """States of torch's generators, rank by rank."""
    own = {"cpu": torch.get_rng_state()}
    if accelerator.device.type == "cuda":
        own["cuda"] = torch.cuda.get_rng_state(accelerator.device)
    gathered = {name: accelerator.gather(state[None].to(accelerator.device)).cpu() for name, state in own.items()}
    return [{name: states[rank].tolist() for name, states in gathered.items()} for rank in range(len(gathered["cpu"]))]


def set_chance(accelerator: Accelerator, states: Sequence[dict[str, list[int]]]) -> None:
    """Put this rank's state back."""
    own = states[accelerator.process_index]
    torch.set_rng_state(torch.tensor(own["cpu"], dtype=torch.uint8))
    if accelerator.device.type == "cuda" and "cuda" in own:
        torch.cuda.set_rng_state(torch.tensor(own["cuda"], dtype=torch.uint8), accelerator.device)
