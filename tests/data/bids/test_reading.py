"""How the files of a BIDS folder were read is said in output, JSON, facts, methods and warnings; keys follow it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brivl.commands.main import main
from brivl.data.bids.loader import ON_OFF_NOTE, open_bids
from brivl.data.features import features_key
from brivl.data.reading import recurrence_warning
from brivl.data.registry import list_datasets, name_with_options, open_dataset, options_of
from brivl.data.status import data_reports
from brivl.data.subject_facts import load_facts, stored_facts
from brivl.encoding.fit import leakage_warning
from brivl.errors import DataError, RequestError
from brivl.store.artifacts import Store
from tests.support.bids_fixture import make_bids, noise, write_events, write_nifti

WORDS = [f"sentence {'abcdefghijkl'[i]} of the story" for i in range(12)]
COLUMNS = ("onset", "duration", "stimulus", "sentence", "trial_type")


def make_study(root: Path) -> Path:
    """Three runs of four new items each: images named in `stimulus`, texts in `sentence`, two conditions."""
    make_bids(root)
    (root / "stimuli").mkdir()
    for i in range(12):
        Image.fromarray(np.full((8, 8, 3), 20 * i, np.uint8)).save(root / f"stimuli/p{i}.png")
    for run in range(3):
        items = [(10.0 * k, 5.0, f"p{4 * run + k}.png", WORDS[4 * run + k], "ab"[k % 2]) for k in range(4)]
        write_events(root / f"sub-01/func/sub-01_task-view_run-{run + 1:02d}_events.tsv", items, COLUMNS)
    return root


def test_what_was_read_is_said_and_the_column_can_be_named(tmp_path: Path) -> None:
    root = make_study(tmp_path)
    images, texts = open_bids(root), open_bids(root, options={"column": "sentence"})
    assert images.stimulus("sub-01").kind == "image" and texts.stimulus("sub-01").items == sorted(WORDS)
    assert images.reading("sub-01").notes == (
        "Stimuli: 12 distinct images from the column stimulus.",
        "Runs: 3, TR 2.5 s, native space.",
        "Voxels: mask from sub-01_task-view_mask.nii.gz.",
        "Cleaning: the linear drift of each run is removed; no high-pass filter, no confounds.",
        ON_OFF_NOTE,
    )
    assert images.reading("sub-01").warnings == ()
    assert images.digest("sub-01") != texts.digest("sub-01")
    assert images.event_columns("sub-01") == ("stimulus", "sentence", "trial_type")


def test_replaced_images_have_other_features(tmp_path: Path) -> None:
    """The images of a BIDS folder came from the store once, whatever stood in the files of their names."""
    root = make_study(tmp_path)
    before, digest = features_key(open_bids(root).stimulus("sub-01"), "vit-mini"), open_bids(root).digest("sub-01")
    Image.fromarray(np.full((8, 8, 3), 255, np.uint8)).save(root / "stimuli/p3.png")
    assert features_key(open_bids(root).stimulus("sub-01"), "vit-mini") != before
    assert open_bids(root).digest("sub-01") != digest


def test_few_items_and_items_of_other_runs_are_warned_of_before_the_fit(tmp_path: Path) -> None:
    data = open_bids(make_study(tmp_path), options={"column": "trial_type"})
    few, recurring = data.reading_warnings("sub-01")
    assert few.startswith("Only 2 distinct texts in the column trial_type")
    assert recurring.startswith("2 of 2 texts recur in other runs") and "any two rich models look alike" in recurring
    assert leakage_warning(data, "sub-01", "strict") == f"{few} {recurring}"
    assert data.reading("sub-01").notes[0] == "Stimuli: 2 distinct texts from the column trial_type: a, b."


def test_recurrence_is_counted_over_runs() -> None:
    weights = np.zeros((6, 4))
    weights[[0, 1, 2, 3, 4, 5], [0, 0, 1, 0, 2, 1]] = 1  # runs of two rows: item 0 in two runs, 1 in two, 2 in one
    assert recurrence_warning(weights, [0, 2, 4], "images").startswith("2 of 3 images recur in other runs")
    assert recurrence_warning(np.eye(6), [0, 2, 4], "images") == ""


def test_facts_keep_the_reading_for_pages(tmp_path: Path) -> None:
    store, data = Store(tmp_path / "cache"), open_bids(make_study(tmp_path / "study"))
    facts = load_facts(store, data, "sub-01")
    assert facts.reading == data.reading("sub-01")
    assert stored_facts(store, data, "sub-01").reading == facts.reading


def test_the_name_of_a_dataset_has_its_options(tmp_path: Path) -> None:
    root, store = make_study(tmp_path / "study"), Store(tmp_path / "cache")
    named = name_with_options(str(root), column="sentence")
    assert named == f"{root}:?column=sentence" and options_of(named) == {"column": "sentence"}
    assert open_dataset(named, store).stimulus_kind == "text"
    assert open_dataset(f"{root}:view?column=sentence@shuffled", store).stimulus_kind == "text"
    assert name_with_options(f"{root}:view@shifted", column="a b&c") == f"{root}:view?column=a+b%26c@shifted"
    assert name_with_options(named, column="") == str(root)
    with pytest.raises(RequestError, match="Expected a BIDS folder for the option column, got 'phantom-movie'"):
        name_with_options("phantom-movie", column="x")
    with pytest.raises(DataError, match="Expected options out of column, .*got .'colour'."):
        open_dataset(f"{root}:view?colour=red", store)


def test_the_command_line_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_study(tmp_path / "study")
    words = ["--cache", str(tmp_path / "cache"), "fit", "--dataset", str(root), "--models", "brivl-mini,minilm-l6"]
    words += ["--layer", "2", "--subject", "sub-01", "--column", "trial_type"]
    assert main([*words, "--json"]) == 0
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert said["reading"]["notes"][0] == "Stimuli: 2 distinct texts from the column trial_type: a, b."
    assert said["dataset"] == f"{root}:?column=trial_type" and len(said["reading"]["warnings"]) == 2
    assert "2 of 2 texts recur in other runs" in err
    assert all(line.startswith("brivl: ") for line in err.splitlines())  # no reports of other packages
    assert said["preset"] == "strict" and said["mean_r2_on_off"] is not None
    assert main([*words, "--delays", "0,2.5,5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["preset"] == "strict:0,2.5,5"
    assert main([*words, "--delays", "5,0"]) == 2
    assert "Expected delays as rising seconds" in capsys.readouterr().err
    assert main(words) == 0
    assert "Stimuli: 2 distinct texts from the column trial_type: a, b." in capsys.readouterr().out


def test_runs_are_told_apart_by_any_entity_but_those_of_the_form(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for acq in ("mb2", "mb4"):
        for run in (1, 2):
            stem = tmp_path / f"sub-01/func/sub-01_task-read_acq-{acq}_run-{run}"
            write_nifti(Path(f"{stem}_bold.nii.gz"), noise(rng))
            write_events(Path(f"{stem}_events.tsv"), [(0, 5, f"word {acq} {run}")])
    labels = [run.label for run in open_bids(tmp_path).runs["sub-01"]]
    assert labels == [f"sub-01_task-read_acq-{acq}_run-{run}" for acq in ("mb2", "mb4") for run in (1, 2)]
    for space in ("T1w", "MNI152NLin2009cAsym"):
        for acq in ("mb2", "mb4"):
            for run in (1, 2):
                stem = f"sub-01/func/sub-01_task-read_acq-{acq}_run-{run}_space-{space}_desc-preproc_bold.nii.gz"
                write_nifti(tmp_path / stem, noise(rng))
    standard = open_bids(tmp_path)
    assert {run.form for run in standard.runs["sub-01"]} == {"space-MNI152NLin2009cAsym_desc-preproc"}
    assert "form space-MNI152NLin2009cAsym_desc-preproc" in standard.reading("sub-01").notes[1]
    native = open_dataset(f"{tmp_path}:read?space=T1w", Store(tmp_path / "cache"))
    assert {run.form for run in native.runs["sub-01"]} == {"space-T1w_desc-preproc"}
    assert native.digest("sub-01") != standard.digest("sub-01")


def test_a_task_or_subject_that_cannot_be_read_leaves_the_others_open(tmp_path: Path) -> None:
    root, rng = make_study(tmp_path), np.random.default_rng(0)
    for ending in ("nii", "nii.gz"):  # two bold files of one run, in another task and another subject
        write_nifti(root / f"sub-01/func/sub-01_task-rest_bold.{ending}", noise(rng))
        write_nifti(root / f"sub-02/func/sub-02_task-view_run-01_bold.{ending}", noise(rng))
    data = open_bids(root)
    assert data.subjects == ("sub-01", "sub-02") and data.stimulus_kind == "image"
    assert data.responses("sub-01").Y_train.shape == (60, 12)
    with pytest.raises(DataError, match="Expected one bold file for each run, got 'sub-02_task-view_run-01_bold"):
        data.responses("sub-02")


@pytest.mark.parametrize(
    ("sidecar", "tr"),
    [
        ({"RepetitionTime": 1.5, "VolumeTiming": [0, 9]}, 1.5),
        ({"VolumeTiming": [0, 1.25, 2.5, 3.75]}, 1.25),
        ({"AcquisitionDuration": 1.0, "DelayTime": 0.75}, 1.75),
    ],
)
def test_tr_by_repetition_time_or_what_stands_in_its_place(tmp_path: Path, sidecar: dict, tr: float) -> None:
    root = make_bids(tmp_path)
    (root / "sub-01/func/sub-01_task-view_bold.json").write_text(json.dumps(sidecar))
    assert open_bids(root).design("sub-01").tr == pytest.approx(tr)


@pytest.mark.parametrize("times", [[0, 1, 5], "soon", [0], [0, "x"]])
def test_volumes_at_irregular_times_are_refused(tmp_path: Path, times: object) -> None:
    root = make_bids(tmp_path)
    (root / "sub-01/func/sub-01_task-view_bold.json").write_text(json.dumps({"VolumeTiming": times}))
    with pytest.raises(DataError, match="VolumeTiming"):
        open_bids(root).design("sub-01")


def test_descriptions_are_one_line_and_the_doi_has_one_prefix(tmp_path: Path) -> None:
    root = make_bids(tmp_path / "study")
    about = {"Name": "A\n study", "License": "Terms:\n\n be kind\n", "DatasetDOI": "doi:10.18112/openneuro.ds1.v1"}
    (root / "dataset_description.json").write_text(json.dumps(about))
    data = open_bids(root)
    assert (data.title, data.licence) == ("A study", "Terms: be kind")
    assert data.citation == "doi:10.18112/openneuro.ds1.v1"
    about["DatasetDOI"] = "https://doi.org/10.1/x"
    (root / "dataset_description.json").write_text(json.dumps(about))
    assert open_bids(root).citation == "doi:10.1/x"


def test_hidden_folders_are_no_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_bids(tmp_path / "study")
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("BRIVL_DATA", str(tmp_path))
    (tmp_path / "study/.git").mkdir()
    (tmp_path / "study/.git/pack").write_bytes(bytes(1_000_000))
    names = [card.name for card in list_datasets(Store(tmp_path / "cache")) if not card.simulated]
    assert names == [str(tmp_path / "study")]
    (report,) = [one for one in data_reports(Store(tmp_path / "cache")) if one.kind == "own"]
    assert report.size == sum(path.stat().st_size for path in (tmp_path / "study/sub-01").rglob("*") if path.is_file())


def test_stimulus_on_and_off_is_a_nuisance_regressor_where_there_is_rest(tmp_path: Path) -> None:
    root = make_study(tmp_path / "rest")
    data, off = open_bids(root), open_bids(root, options={"onoff": "no"})
    on = np.zeros((60, 1))
    on[[20 * run + 4 * k + row for run in range(3) for k in range(4) for row in (0, 1)]] = 1
    np.testing.assert_allclose(data.design("sub-01").nuisance, on)
    assert off.design("sub-01").nuisance is None and off.digest("sub-01") != data.digest("sub-01")
    always = make_bids(tmp_path / "always")
    for run in range(3):
        write_events(always / f"sub-01/func/sub-01_task-view_run-0{run + 1}_events.tsv", [(0, 50, WORDS[run])])
    assert open_bids(always).design("sub-01").nuisance is None
    with pytest.raises(DataError, match="Expected onoff=yes or onoff=no, got 'maybe'"):
        open_bids(root, options={"onoff": "maybe"})


def test_files_are_looked_for_once_for_all_tasks_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, listed = np.random.default_rng(0), []
    for task in range(19):
        for run in (1, 2):
            stem = tmp_path / f"sub-01/func/sub-01_task-t{task:02d}_run-{run}"
            write_nifti(Path(f"{stem}_bold.nii"), noise(rng))
            write_events(Path(f"{stem}_events.tsv"), [(0, 5, f"word {task} {run}")])
    monkeypatch.setattr(os, "listdir", lambda folder, real=os.listdir: listed.append(str(folder)) or real(folder))
    monkeypatch.setenv("BRIVL_DATA", str(tmp_path))
    names = [card.name for card in list_datasets(Store(tmp_path / "cache")) if not card.simulated]
    assert names == [f"{tmp_path}:t{task:02d}" for task in range(19)]
    assert listed.count(str(tmp_path / "sub-01/func")) == 1
    write_events(tmp_path / "sub-01/func/sub-01_task-t20_events.tsv", [(0, 5, "new")])
    write_nifti(tmp_path / "sub-01/func/sub-01_task-t20_bold.nii", noise(rng))
    assert open_bids(tmp_path, "t20").design("sub-01").n_train == 20  # a new file is seen


def test_runs_that_repeat_one_another_can_be_the_test_run(tmp_path: Path) -> None:
    root = make_bids(tmp_path, n_runs=5)
    for run, first in enumerate((0, 3, 0, 6, 0)):  # runs 1, 3 and 5 present the same items at the same times
        rows = [(10.0 * k, 5.0, WORDS[first + k]) for k in range(3)]
        write_events(root / f"sub-01/func/sub-01_task-view_run-{run + 1:02d}_events.tsv", rows, COLUMNS[:3])
    plain, repeats = open_bids(root), open_bids(root, options={"test": "repeats"})
    offer = [warning for warning in plain.reading_warnings("sub-01") if "?test=repeats" in warning]
    assert offer and offer[0].startswith("3 runs present the same items at the same times")
    design, responses = repeats.design("sub-01"), repeats.responses("sub-01")
    assert (design.n_train, design.n_test, design.run_onsets.tolist()) == (40, 20, [0, 20])
    Y = plain.responses("sub-01").Y_train.reshape(5, 20, 12)
    np.testing.assert_array_equal(responses.Y_train, np.concatenate(Y[[1, 3]]))
    np.testing.assert_array_equal(responses.Y_test, Y[[0, 2, 4]])
    weights = plain.stimulus("sub-01").weights.toarray().reshape(5, 20, -1)
    np.testing.assert_array_equal(repeats.stimulus("sub-01").weights.toarray(), np.concatenate(weights[[1, 3, 0]]))
    assert design.nuisance.shape == (60, 1) and repeats.digest("sub-01") != plain.digest("sub-01")
    notes, warnings = repeats.reading("sub-01").notes, repeats.reading("sub-01").warnings
    assert any(note.startswith("Test run: 3 repeats, sub-01_task-view_run-01, ") for note in notes)
    assert not any("recur" in warning or "?test" in warning for warning in warnings)
    with pytest.raises(DataError, match="Expected runs of sub-01 that present the same items"):
        open_bids(make_study(tmp_path / "study"), options={"test": "repeats"}).design("sub-01")
