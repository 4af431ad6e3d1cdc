"""The training loop of the demo models: steps, learning-rate schedule and metrics."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import torch

Batch = TypeVar("Batch")
Evaluate = Callable[[int], Mapping[str, float]]  # step -> held-out metrics, empty where it is not yet time


def cosine(step: int, n_steps: int, n_warmup: int) -> float:
    """Compute the learning-rate factor of a step: linear warm-up, then half a cosine down to 2 %.

    Parameters
    ----------
    step
        Number of the step, from 0.
    n_steps
        Number of all steps.
    n_warmup
        Number of steps of the warm-up.

    Returns
    -------
    float
        The factor, at most 1.
    """
    if step < n_warmup:
        return (step + 1) / n_warmup
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - n_warmup) / max(1, n_steps - n_warmup)))


def log_line(log: Path, line: Mapping[str, object]) -> None:
    """Append a line of JSON to a log and print it.

    Parameters
    ----------
    log
        The log.
    line
        Values of the line.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)


def train(
    optimizer: torch.optim.Optimizer,
    batches: Iterable[Batch],
    loss_of: Callable[[Batch], torch.Tensor],
    n_steps: int,
    log: Path,
    evaluate: Evaluate | None = None,
    every: int = 50,
    n_schedule: int | None = None,
) -> None:
    """Run the steps of a training, with gradients clipped at norm 1.

    Parameters
    ----------
    optimizer
        Optimiser of the trained parameters.
    batches
        At least `n_steps` batches.
    loss_of
        Function of a batch that returns the loss.
    n_steps
        Number of steps.
    log
        File that gets a line of JSON with loss, seconds and minutes left; the line is printed too.
    evaluate
        Function of the step that adds held-out metrics to a line.
    every
        Number of steps between lines.
    n_schedule
        Number of steps over which the learning rate follows a cosine, of which fewer may be run; None for `n_steps`.
    """
    length = n_schedule or n_steps
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: cosine(s, length, max(1, length // 20)))
    started, running = time.monotonic(), 0.0
    for step, batch in zip(range(1, n_steps + 1), batches, strict=False):
        loss = loss_of(batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        running += loss.item()
        if step % every == 0 or step == n_steps:
            seconds = time.monotonic() - started
            line: dict[str, object] = {
                "step": step,
                "loss": round(running / (step % every or every), 4),
                "seconds": round(seconds, 1),
                "minutes_left": round(seconds / step * (n_steps - step) / 60, 1),
            }
            running = 0.0
            if evaluate is not None:
                line |= evaluate(step)
            log_line(log, line)
