"""What visitors take away: methods paragraph, lines of code, files; and what the server process must not load."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from brivl.commands.main import main
from brivl.config import PROJECT
from brivl.sharing.fit_evidence import FitEvidence, npz_bytes
from brivl.sharing.methods import Done, cli_lines, methods_paragraph, python_lines
from brivl.ui import cached, url_state
from brivl.ui.results import Shown, look_up, mean_scores
from tests.support.app_driver import APP, PATIENCE, fresh_server  # noqa: F401 (a fixture)
from tests.support.app_samples import MOVIE, fill

# What is taken away


def done_page(subject: str = "All") -> Shown:
    fill(MOVIE, [8], ["S01", "S02", "S03", "S04", "S05"])
    known = cached.known(MOVIE)
    return look_up(url_state.resolve({"data": MOVIE, "subject": subject}, known)[0], known)


def done_of(shown: Shown) -> Done:
    return FitEvidence(shown.known, shown.answers, shown.facts, 8).done


def test_methods_paragraph_says_what_the_request_says() -> None:
    text = methods_paragraph(done_of(done_page()))
    for part in (
        "Simulated data",
        "240 training volumes in 12 runs",
        "shown 10 times",
        "TR 2 s",
        "layer 8",
        "'strict'",
        "0, 4, 6, 8 s (0, 2, 3, 4 TR)",
        "11 fixed ratios",
        "above 0.1",
        "himalaya",
    ):
        assert part in text


def test_python_lines_give_the_numbers_of_the_page() -> None:
    shown = done_page()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(python_lines(done_of(shown)), {})
    lines = printed.getvalue().splitlines()
    assert len(lines) == 5
    means = mean_scores(shown).set_index("subject")
    for line in lines:
        subject, layer, joint = line.split()[:3]
        assert layer == "8"
        np.testing.assert_allclose(float(joint), means.loc[subject, "r2_joint"])


def test_command_lines_give_the_files_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    shown = done_page("S03")
    monkeypatch.chdir(tmp_path)
    line = cli_lines(done_of(shown))
    words = line.split()
    assert words[:3] == ["python", "-m", "brivl"]
    monkeypatch.setattr("brivl.data.phantoms.base.LayerDataset._simulate", None)  # it must not simulate
    view_bytes = npz_bytes(shown.answers[8, "S03"], shown.facts["S03"].voxels)
    with np.load(io.BytesIO(view_bytes), allow_pickle=False) as ours:
        assert ours["r2_split"].shape == (2, shown.facts["S03"].voxels.n_voxels)
        assert bool(ours["simulated"]) is True
        assert {"roi_V1", "ijk", "affine", "space", "models"} <= set(ours.files)
    assert main([*words[3:-2], "--json"]) in (None, 0)
    printed = json.loads(capsys.readouterr().out)
    assert printed["cache"] == "hit" and printed["simulated"] is True


def test_server_process_imports_nothing_heavy() -> None:
    """Pages of shipped models leave torch, pycortex, himalaya and nilearn to the workers."""
    code = f"""
import sys
sys.path.insert(0, {str(PROJECT)!r})
from tests.support.app_samples import MOVIE, SENTENCES, fill
fill(MOVIE, [8], ["S01"]); fill(SENTENCES, [4], ["P01"])
from streamlit.testing.v1 import AppTest
for data in (MOVIE, SENTENCES):
    for page in ("home", "layers", "flatmap", "regions"):
        at = AppTest.from_file({str(APP)!r}, default_timeout={PATIENCE})
        at.query_params["data"] = data
        if page != "home":
            at.switch_page(f"pages/{{page}}.py")
        at.run()
        assert not at.exception and not at.error, (page, at.exception, at.error)
print([m for m in ("torch", "cortex", "himalaya", "sklearn", "nilearn", "transformers", "timm") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "[]"
