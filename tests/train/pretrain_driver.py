"""Runs of `python -m brivl.train` in processes of their own, forked from one that has imported everything.

    python -m tests.train.pretrain_driver < plan.json

A plan is a list of stages, one after another; a stage is a list of runs side by side: {"argv": [...], "env": {...},
"kill": [moment, step] or null}. A run with "kill" sends SIGKILL to itself at that moment (`MOMENTS`), so that where it
ends does not depend on the speed of the machine. Prints the exit codes of every stage as JSON; a killed run has -9.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MOMENTS = ("after metrics", "in checkpoint")  # of a step: its line is written; its checkpoint is half written


def drive(stages: list[list[dict[str, Any]]]) -> tuple[list[list[int]], str]:
    """Run a plan; exit codes by stage, and everything that was printed on stderr."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-m", "tests.train.pretrain_driver"],
        input=json.dumps(stages),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=env,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def run(argv: list[object], kill: tuple[str, int] | None = None, **env: str) -> dict[str, Any]:
    """One run of a plan."""
    return {"argv": [str(x) for x in argv], "env": env, "kill": kill}


def ranks(argv: list[object], n: int) -> list[dict[str, Any]]:
    """The same run on n ranks that find each other on this machine, as torchrun would start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {"WORLD_SIZE": str(n), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    common["ACCELERATE_GRADIENT_ACCUMULATION_STEPS"] = "1"  # as its launcher sets it; must not overrule ours
    return [run(argv, RANK=str(i), LOCAL_RANK=str(i), **common) for i in range(n)]


def _start(one: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        return child
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.environ.update(one["env"])
    from brivl.train.__main__ import main

    code = 1
    try:
        if one["kill"]:
            _kill_self_at(*one["kill"])
        main(one["argv"])
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _kill_self_at(moment: str, step: int) -> None:
    """Let this process kill itself at a moment of a step."""
    from brivl.train import checkpoint
    from brivl.train.brivl.log import MetricsLogger

    report, save_exact = MetricsLogger.report, checkpoint.save_exact

    def report_and_die(self: MetricsLogger, number: int, more: dict[str, float]) -> None:
        report(self, number, more)
        if number == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def save_half_and_die(path: Path, state: dict) -> None:
        if path.name == "optimizer.safetensors" and f"step-{step:06d}" in path.parent.name:
            os.kill(os.getpid(), signal.SIGKILL)  # the model is written
        save_exact(path, state)

    if moment == "after metrics":
        MetricsLogger.report = report_and_die
    else:
        checkpoint.save_exact = save_half_and_die


def _main() -> None:
    import torch

    torch.set_num_threads(1)
    import brivl.train.brivl.pretrain  # noqa: F401 (so that no child needs to)
    from brivl.models.brivl.text_encoder import import_transformers

    transformers = import_transformers()
    _ = transformers.BertModel, transformers.AutoModel, transformers.AutoTokenizer, transformers.BertTokenizer
    codes = []
    for stage in json.load(sys.stdin):
        children = [_start(one) for one in stage]
        codes.append([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
    print(json.dumps(codes))


if __name__ == "__main__":
    _main()
