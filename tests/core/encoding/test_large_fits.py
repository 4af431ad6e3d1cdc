"""Fits of responses in a file: killed and resumed, and in less memory than the responses take."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.core.encoding.large_driver import KILLED, N_VOXELS

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="forks, and reads /proc")


def driven(*arguments: object) -> Any:
    """What the driver prints."""
    command = [sys.executable, "-m", "tests.core.encoding.large_driver", *map(str, arguments)]
    env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    ran = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout.splitlines()[-1])


def test_a_killed_fit_resumes_from_its_batches_and_gives_the_same_bits(tmp_path):
    report = driven("resume", tmp_path)
    uninterrupted, resumed = report["uninterrupted"]["result"], report["resumed"]["result"]
    assert uninterrupted["fitted"] == [1000, 1000, 1000, N_VOXELS - 3000] and uninterrupted["mean_r2"] > 0.1
    assert [death["when"] for death in report["deaths"]] == list(KILLED)
    assert {death["signal"] for death in report["deaths"]} == {signal.SIGKILL}
    assert [death["checkpoints"] for death in report["deaths"]] == [0, 1, 3, 4]  # selection, map, batches
    assert resumed["digest"] == uninterrupted["digest"]
    assert resumed["fitted"] == [1000, N_VOXELS - 3000]
    assert (
        uninterrupted["checkpoints"] == resumed["checkpoints"] == 0
    )  # the result is stored, its checkpoints are deleted
    assert report["late"]["signal"] == signal.SIGKILL and report["left"] == 6
    assert report["third"]["result"]["checkpoints"] == 0  # the next fit deletes those of the one that died at the end


def test_memory_grows_by_less_than_the_responses(tmp_path):
    small, large = driven("memory", tmp_path, 10_000, 60_000)
    assert small["signal"] == large["signal"] == 0 and sum(large["result"]["fitted"]) == 60_000
    # What a fit of any size takes is left out. 0.62 was measured; responses in memory would be copied several times.
    growth = large["result"]["growth"] - small["result"]["growth"]
    assert growth < 0.8 * (large["responses"] - small["responses"])
