"""Fits of responses that lie in a file: killed and resumed, and in less memory than the responses take."""

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


def test_a_killed_fit_goes_on_from_its_batches_and_comes_to_the_same_bits(tmp_path):
    found = driven("resume", tmp_path)
    whole, resumed = found["whole"]["result"], found["resumed"]["result"]
    assert whole["fitted"] == [1000, 1000, 1000, N_VOXELS - 3000] and whole["mean_r2"] > 0.1
    assert [death["when"] for death in found["deaths"]] == list(KILLED)
    assert {death["signal"] for death in found["deaths"]} == {signal.SIGKILL}
    assert [death["parts"] for death in found["deaths"]] == [0, 1, 3, 4]  # selection, map, batches
    assert resumed["digest"] == whole["digest"]
    assert resumed["fitted"] == [1000, N_VOXELS - 3000]
    assert whole["parts"] == resumed["parts"] == 0  # the whole is stored, its parts are not
    assert found["late"]["signal"] == signal.SIGKILL and found["left"] == 6
    assert found["third"]["result"]["parts"] == 0  # the next fit cleared up after the one that died at the end


def test_memory_grows_by_less_than_the_responses(tmp_path):
    small, large = driven("memory", tmp_path, 10_000, 60_000)
    assert small["signal"] == large["signal"] == 0 and sum(large["result"]["fitted"]) == 60_000
    # What a fit of any size takes is left out. 0.62 was measured; responses held whole would be copied more than once.
    growth = large["result"]["growth"] - small["result"]["growth"]
    assert growth < 0.8 * (large["responses"] - small["responses"])
