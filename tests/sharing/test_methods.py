"""What visitors take away: methods paragraph, lines of code, files; and what the server process must not load."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from brivl.analyses.figure_for import FigureRequest, make_figure
from brivl.commands.main import main
from brivl.config import PROJECT
from brivl.sharing.fit_evidence import FitEvidence, npz_bytes
from brivl.sharing.methods import Done, cli_lines, methods_paragraph, python_lines
from brivl.store.artifacts import Store
from brivl.ui import cached, url_state
from brivl.ui.results import Shown, look_up, mean_scores
from tests.support.app_driver import APP, PATIENCE, fresh_server  # noqa: F401 (a fixture)
from tests.support.app_samples import MOVIE, SENTENCES, fill
from tests.support.plain_sample import make_plain
from tests.support.sharing_samples import figure_of, stored

# What is taken away


def done_page(subject: str = "All") -> Shown:
    fill(MOVIE, [8], ["S01", "S02", "S03", "S04", "S05"])
    known = cached.dataset_summary(MOVIE)
    return look_up(url_state.resolve({"data": MOVIE, "subject": subject}, known)[0], known)


def done_of(shown: Shown) -> Done:
    return FitEvidence(shown.summary, shown.answers, shown.facts, 8).done


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


def test_methods_are_those_of_each_subject() -> None:
    """One subject without repeats was said to have been "shown 10 times"."""
    done = done_of(done_page())
    bare = replace(done.timing, n_repeats=None, n_test=0, tr=None)
    first = done.answers[0]
    unselected = replace(first, result=replace(first.result, explainable_variance=None))
    mixed = replace(done, answers=[unselected, *done.answers[1:]], timings={first.request.subject: bare})
    text = methods_paragraph(mixed)
    assert "subject S01: 240 training samples; subjects S02, S03, S04 and S05: 240 training volumes in 12 runs" in text
    assert (
        "(subjects S02, S03, S04 and S05: with explainable variance above 0.1, Hsu et al., 2004; the others: all)"
        in text
    )


@pytest.mark.parametrize(
    ("page", "settings", "said", "works"),
    [
        (
            "layers",
            {},
            "At each layer the mean split R² of the two models was compared by a paired two-tailed t-test",
            [],
        ),
        ("flatmap", {"map": "difference"}, "Voxel scores were drawn on ", []),
        ("regions", {}, "compared in each region by a paired two-tailed t-test over subjects (n = 5)", ["winkler2014"]),
        ("regions", {"unit": "voxel"}, "t-tests over voxels", []),
        ("regions", {"scale": "ceiling"}, "normalised by its noise ceiling", ["schoppe2016"]),
    ],
)
def test_methods_describe_the_figure(page: str, settings: dict[str, str], said: str, works: list[str]) -> None:
    """The methods of Regions had no word of its test, correction, ceiling or atlas."""
    subjects = ("S01", "S02", "S03", "S04", "S05")
    record = figure_of(stored(subjects=subjects), page, subjects=subjects, settings=settings)
    text, references = record.evidence.methods(), record.evidence.references()
    assert said in text and {*works} <= {*references}
    if page != "flatmap":
        assert "Benjamini-Hochberg correction over " in text and "benjamini1995" in references
    assert "computing time" not in text


def test_atlases_are_cited() -> None:
    store = stored(SENTENCES, (4,), ("P01",))
    for level, work in (("merged", "tzourio2002"), ("aal3", "rolls2020"), ("hcp", "glasser2016")):
        record = figure_of(store, "regions", SENTENCES, layers=(4,), subjects=("P01",), settings={"level": level})
        assert (
            work in record.evidence.references()
            and "The models were not compared by a test" in record.evidence.methods()
        )


@pytest.mark.parametrize(
    ("page", "settings"),
    [("layers", {}), ("flatmap", {"map": "difference"}), ("regions", {"order": "effect", "region": "V1"})],
)
def test_the_code_of_a_figure_makes_its_numbers(page: str, settings: dict[str, str]) -> None:
    record = figure_of(stored(), page, subjects=("S01", "S02"), settings=settings)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(record.evidence.python_lines(), {})
    first, table = printed.getvalue().split("\n", 1)
    assert first == record.label.headline
    assert table.strip() == record.make_tables()["scores"].to_string().strip()


def test_the_code_runs_from_any_folder(tmp_path: Path) -> None:
    """Program and command, as a user pastes them, with the package on the path as an installation puts it."""
    store = Store(tmp_path / "store")
    folder = str(make_plain(tmp_path / "plain"))
    record = make_figure(store, FigureRequest(folder, ("signal", "other"), (2,), ("A",), "layers"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    env = os.environ | {"PYTHONPATH": str(PROJECT), "BRIVL_CACHE": str(store.root)}
    run = partial(subprocess.run, cwd=elsewhere, env=env, capture_output=True, text=True, check=False)
    done = run([sys.executable, "-c", record.evidence.python_lines()])
    assert done.returncode == 0 and done.stdout.startswith(record.label.headline), done.stderr[-2000:]
    for line in record.evidence.shell_lines().splitlines():
        words = shlex.split(line)
        assert words[0] == "python"
        done = run([sys.executable, *words[1:]])
        assert done.returncode == 0, done.stderr[-2000:]
    assert sorted(path.name for path in elsewhere.iterdir()) == ["A_layer02.npz", "layers.zip"]


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
