"""The command line: what each verb prints, and that bad input ends with one sentence and exit code 2."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import brivl
from brivl.analyses.retrieval import compute
from brivl.commands import main as main_module
from brivl.commands.main import main
from brivl.models.registry import SHIPPED
from tests.support.plain_sample import N_VOXELS, make_plain

ROOT = Path(__file__).parents[2]


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A plain folder whose voxels have places, labels and a region."""
    folder = make_plain(tmp_path / "data" / "plain")
    (folder / "voxels").mkdir()
    ijk = np.stack([np.arange(N_VOXELS)] * 3, 1)
    np.savez(
        folder / "voxels" / "A.npz",
        ijk=ijk,
        shape=np.array([20, 20, 20]),
        affine=np.diag([2.0, 2, 2, 1]),
        aal=np.arange(N_VOXELS),
        roi_front=np.arange(N_VOXELS) < 4,
    )
    return folder


def fit_words(folder: Path | str, **changes: str) -> list[str]:
    words = {"dataset": str(folder), "models": "signal,other", "layer": "2", "subject": "A"} | changes
    return ["fit", *(part for name, value in words.items() for part in (f"--{name}", value))]


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    """The one JSON object that a verb prints."""
    assert main([*words, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == "" and out.count("\n") == 1
    return json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_fit_prints_one_json_object(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = printed(capsys, *fit_words(plain))
    assert first["n_voxels"] == first["n_voxels_selected"] == N_VOXELS and first["simulated"] is False
    assert first["mean_r2_joint"] == pytest.approx(sum(first["mean_r2_split"]), abs=1e-5)
    assert first["mean_r2_split"][0] > 0.2 > abs(first["mean_r2_split"][1])
    assert first["cache"] == "miss" and isinstance(first["seconds"], float) and first["preset"] == "strict"
    again = printed(capsys, *fit_words(plain))
    swapped = printed(capsys, *fit_words(plain, models="other,signal"))
    assert again["cache"] == swapped["cache"] == "hit"
    assert again["mean_r2_split"] == first["mean_r2_split"] == swapped["mean_r2_split"][::-1]


def test_out_holds_scores_and_places(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "scores.npz"
    summary = printed(capsys, *fit_words(plain, out=str(out)))
    with np.load(out, allow_pickle=False) as scores:
        assert scores["r2_joint"].shape == (N_VOXELS,) and scores["r2_split"].shape == (2, N_VOXELS)
        np.testing.assert_allclose(scores["r2_split"].sum(0), scores["r2_joint"], atol=1e-5)
        assert summary["mean_r2_joint"] == pytest.approx(float(scores["r2_joint"].mean()), abs=1e-5)
        assert scores["models"].tolist() == ["signal", "other"] and not scores["simulated"]
        assert scores["selected"].all() and scores["shape"].tolist() == [20, 20, 20]
        np.testing.assert_array_equal(scores["ijk"][:, 0], np.arange(N_VOXELS))
        np.testing.assert_array_equal(scores["affine"], np.diag([2.0, 2, 2, 1]))
        np.testing.assert_array_equal(scores["aal"], np.arange(N_VOXELS))
        assert scores["roi_front"].sum() == 4 and str(scores["space"])
    assert sorted(path.name for path in tmp_path.glob("*scores*")) == ["scores.npz"]


def test_version_is_the_one_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0 and capsys.readouterr().out == f"{brivl.__version__}\n"


@pytest.mark.parametrize(("verb", "old"), [("variance-partitioning", "parts"), ("within-subject", "infer")])
def test_old_names_of_verbs_still_work(verb: str, old: str) -> None:
    words = fit_words("folder")[1:]
    now, before = (main_module.command_parser().parse_args([name, *words]) for name in (verb, old))
    assert now.run is before.run and vars(now) == vars(before)


def test_fit_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_plain(tmp_path / "made", {"simulated": True})
    assert main(fit_words(folder)) == 0
    out = capsys.readouterr().out
    assert out.startswith("SIMULATED DATA. ") and f"{N_VOXELS} of {N_VOXELS} voxels" in out and "miss" in out


def test_cache_can_be_chosen(plain: Path, tmp_path: Path, own_cache: Path) -> None:
    assert main(["--cache", str(tmp_path / "elsewhere"), *fit_words(plain)]) == 0
    assert list((tmp_path / "elsewhere" / "fit").glob("*.npz")) and not own_cache.exists()


def test_models(capsys: pytest.CaptureFixture[str]) -> None:
    listed = printed(capsys, "models")["models"]
    assert [model["name"] for model in listed] == list(SHIPPED)
    assert [model["stand_in"] for model in listed] == [True, True, False]
    assert listed[0]["n_layers"] == {"image": 12, "text": 6}
    assert main(["models"]) == 0
    assert capsys.readouterr().out.count("[SMALL PROXY]") == 2


def test_datasets(plain: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated datasets first, then those in BRIVL_DATA; a folder that is no dataset is listed with the reason."""
    (plain.parent / "holiday").mkdir()
    monkeypatch.setenv("BRIVL_DATA", os.pathsep.join([str(plain.parent), str(plain), str(plain.parent / "gone")]))
    listed = {d["name"]: d for d in printed(capsys, "datasets")["datasets"]}
    assert list(listed)[:4] == ["phantom-movie", "phantom-sentences", "phantom-categories", "phantom-stories"]
    movie = listed["phantom-movie"]
    assert movie["simulated"] and movie["subjects"] == [f"S0{i}" for i in range(1, 6)]
    assert len(listed["phantom-sentences"]["subjects"]) == 8
    assert listed[str(plain)]["title"] == "Plain sample" and not listed[str(plain)]["problem"]
    for name in ("holiday", "gone"):
        assert name in listed[str(plain.parent / name)]["problem"]
    assert main(["datasets"]) == 0
    out = capsys.readouterr().out
    assert out.count("[SIMULATED]") == 4 and "licence: CC0" in out


def test_retrieval(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The fields only; the accuracy of the model is stated in its card."""
    whole, small = compute.open_gallery, {"scenes": 40, "clips": 6}
    monkeypatch.setattr(compute, "open_gallery", lambda name: replace(whole(name), n=small[name]))
    measured = printed(capsys, "eval", "retrieval", "--n", "20")
    assert measured["n_pairs"] == 20 and measured["simulated"] is True
    for way in ("text_to_image", "image_to_text"):
        recalls = [measured[way][k] for k in ("r1", "r5", "r10")]
        assert recalls == sorted(recalls) and 0 <= recalls[0] <= recalls[-1] <= 1
        assert 1 <= measured[way]["median_rank"] <= 20
    assert measured["gallery"]["n_pairs"] == 40 and measured["n_clips"] == 6


BAD = {
    "unknown dataset": ({"dataset": "no-such-data"}, "Expected the name of a dataset, got 'no-such-data'"),
    "folder of nothing": ({"dataset": "EMPTY"}, "BIDS (sub-"),
    "unknown model": ({"models": "signal,none"}, "got ['none']"),
    "one model": ({"models": "signal"}, "two model names as A,B"),
    "three models": ({"models": "a,b,c"}, "two model names as A,B"),
    "layer too high": ({"layer": "3"}, "got layer 3"),
    "unknown subject": ({"subject": "B"}, "Expected a subject of the dataset, got 'B'"),
    "unknown preset": ({"preset": "lenient"}, "got 'lenient'"),
    "out without folder": ({"out": "EMPTY/gone/scores.npz"}, "--out as a .npz file"),
    "out of another kind": ({"out": "EMPTY/scores.csv"}, "--out as a .npz file"),
    "out is a folder": ({"out": "EMPTY"}, "--out as a .npz file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_a_sentence(
    case: str, plain: Path, tmp_path: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes, sentence = BAD[case]
    (tmp_path / "empty").mkdir()
    changes = {name: value.replace("EMPTY", str(tmp_path / "empty")) for name, value in changes.items()}
    assert main([*fit_words(plain, **changes), "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("brivl: ") and err.count("\n") == 1 and sentence in err
    assert not list((tmp_path / "empty").iterdir())
    assert not list(own_cache.glob("fit/*.npz"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"models": "brivl-mini,no-such-model"}, "got 'no-such-model'"),
        ({"models": "brivl-mini,vit-mini", "layer": "13"}, "layers 1 to 12"),
        ({"models": "brivl-mini,minilm-l6"}, "takes text stimuli"),
        ({"models": "brivl-mini,vit-mini", "subject": "A"}, "Expected a subject of the dataset, got 'A'"),
    ],
)
def test_bad_requests_to_a_phantom(changes: dict, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(fit_words("phantom-movie", **({"subject": "S01"} | changes))) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and sentence in err


def test_damaged_data_ends_with_a_sentence(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = plain / "responses" / "A.npy"
    file.write_bytes(file.read_bytes()[:-100])
    assert main(fit_words(plain)) == 2
    assert "A.npy" in capsys.readouterr().err


def test_a_disk_that_refuses(plain: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without rights raises far below; root, who may run this, is let in everywhere, so it is acted."""

    def refuse(_self: Path, _pattern: str) -> None:
        raise PermissionError(13, "Permission denied", str(plain))

    monkeypatch.setattr(Path, "glob", refuse)
    assert main(fit_words(plain)) == 2
    err = capsys.readouterr().err
    assert str(plain) in err and "Permission denied" in err and err.count("\n") == 1


def test_out_on_a_full_disk_leaves_nothing(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_half(path: Path, content: bytes) -> None:
        with open(path, "wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    assert main(fit_words(plain, out=str(tmp_path / "scores.npz"))) == 2
    assert "No space left" in capsys.readouterr().err
    assert not list(tmp_path.glob("*scores*")) and not list(tmp_path.glob(".*"))


def test_recovery_of_measured_data_is_refused(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recovery", "--dataset", str(plain), "--subject", "A"]) == 2
    assert "is measured data" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["fit"], ["fit", "--layer", "two"], ["eval", "beauty"], ["no-such-verb"]])
def test_words_that_are_no_request(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2 and "usage: brivl" in capsys.readouterr().err


def run_python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "brivl", *words], cwd=ROOT, capture_output=True, text=True)


def test_as_a_program() -> None:
    ran = run_python("models", "--json")
    assert ran.returncode == 0 and ran.stderr == ""
    assert [m["name"] for m in json.loads(ran.stdout)["models"]] == list(SHIPPED)


def test_as_a_program_that_refuses() -> None:
    ran = run_python(*fit_words("no-such-data"))
    assert ran.returncode == 2 and ran.stdout == "" and "Traceback" not in ran.stderr
    assert ran.stderr.startswith("brivl: Expected the name of a dataset, got ") and ran.stderr.count("\n") == 1


def test_a_reader_that_leaves_is_no_error() -> None:
    """python -m brivl models | head -1, with the reader gone before the first line is written."""
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-m", "brivl", "models"]
    ran = subprocess.run(words, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert ran.returncode == 0 and ran.stderr == ""
