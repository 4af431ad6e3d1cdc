"""The training loop: steps, schedule, metrics. It knows nothing of images or text."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch

LossOf = Callable[[object], torch.Tensor]
Report = Callable[[int], dict[str, float]]


def cosine(step: int, n_steps: int, n_warmup: int) -> float:
    """Learning-rate factor: linear warm-up, then half a cosine down to 2 %."""
    if step < n_warmup:
        return (step + 1) / n_warmup
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - n_warmup) / max(1, n_steps - n_warmup)))


def train(
    optimizer: torch.optim.Optimizer,
    batches: Iterable,
    loss_of: LossOf,
    n_steps: int,
    log: Path,
    evaluate: Report | None = None,
    every: int = 50,
    n_schedule: int | None = None,
) -> None:
    """Run n_steps; every `every` steps a JSON line with loss, seconds and minutes left goes to `log` and the screen.

    Gradients are clipped at norm 1. `evaluate(step)` may add held-out metrics to the line. The learning rate follows a
    cosine over n_schedule steps (default: n_steps), of which fewer may be run.
    """
    length = n_schedule or n_steps
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: cosine(s, length, max(1, length // 20)))
    started, running = time.monotonic(), 0.0
    log.parent.mkdir(parents=True, exist_ok=True)
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
            line = {
                "step": step,
                "loss": round(running / (step % every or every), 4),
                "seconds": round(seconds, 1),
                "minutes_left": round(seconds / step * (n_steps - step) / 60, 1),
            }
            running = 0.0
            if evaluate is not None:
                line |= evaluate(step)
            with log.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(json.dumps(line), flush=True)
