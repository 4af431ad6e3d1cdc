"""Data files that are wrong in hundreds of ways end in a sentence or in a right load, within 5 s and 1 GiB.

tests/data/fuzz_driver.py reads them in one process per form, under limits of address space and time. Of all mutations
that tests/data/fuzz_forms.py knows a fixed sample is tested here; `python -m tests.data.fuzz_driver bids FOLDER` runs
all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 560  # s for a whole form on a busy machine; the clock of one reading is the driver's
# Of each form as many changes, more than 800 in all, and the least that must be refused: a loader that takes anything
# would pass otherwise.
DRAWN = {
    "plain": (110, 60),
    "bids": (110, 40),
    "fmriprep": (80, 20),
    "shortclips": (80, 25),
    "pereira2018-A": (60, 8),
    "pereira2018-B": (60, 8),
    "algonauts2023": (60, 20),
    "confounds": (40, 15),
    "betas": (110, 40),
    "parcels": (60, 6),
    "surfaces": (60, 35),
    "listings": (110, 30),
}


@pytest.mark.parametrize("form", DRAWN)
def test_wrong_files_end_in_a_sentence_or_a_right_load(form: str, tmp_path: Path) -> None:
    n, least = DRAWN[form]
    command = [sys.executable, "-m", "tests.data.fuzz_driver", form, str(tmp_path / "data"), str(n)]
    env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    ran = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE)
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert ran.returncode == 0, f"died at {lines[-1:]}\n{ran.stderr[-2000:]}"
    ends = [line for line in lines if "end" in line]
    failed = [f"{line['file']}, {line['what']}: {line['said']}" for line in ends if line["end"] == "failed"]
    assert not failed, "\n\n".join(failed[:5])
    refused = [line["said"] for line in ends if line["end"] == "refused"]
    assert len(ends) == n and least < len(refused) < n
    assert all(said.endswith(".") and 40 < len(said) < 2000 and "\n" not in said for said in refused), refused


def test_hundreds_of_changes_are_drawn() -> None:
    assert sum(n for n, _ in DRAWN.values()) >= 800
