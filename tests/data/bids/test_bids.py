"""BIDS folders: generated ones, and the real Haxby 2001 slice where it is at hand."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.polynomial import polynomial

from brivl.data.bids.bold import computed_mask, detrend_run
from brivl.data.bids.file_names import entities
from brivl.data.bids.loader import open_bids
from brivl.data.null_controls import derangement, shift_events, shuffle_events
from brivl.data.registry import open_folder
from brivl.errors import DataError, RequestError
from tests.support.bids_fixture import AFFINE, HAXBY, make_bids, noise, write_events, write_nifti

RUN = "sub-01/func/sub-01_task-view_run-0{}_{}"


def test_shapes_design_and_weights(tmp_path):
    data = open_bids(make_bids(tmp_path))
    design, stimulus, responses = data.design("sub-01"), data.stimulus("sub-01"), data.responses("sub-01")
    assert (data.subjects, data.task, data.simulated, data.models) == (("sub-01",), "view", False, ())
    assert (design.tr, design.n_train, design.n_test) == (2.5, 60, 0)
    assert design.run_onsets.tolist() == [0, 20, 40]
    assert stimulus.kind == "text" and list(stimulus.items) == ["face", "house1", "house2", "house3"]
    expected = np.zeros((60, 4))
    for run in range(3):
        expected[20 * run + 2 : 20 * run + 6, 0] = 1
        expected[20 * run + 10 : 20 * run + 12, run + 1] = 1
    assert np.array_equal(stimulus.weights.toarray(), expected)
    assert responses.Y_train.shape == (60, 12) and responses.Y_train.dtype == np.float32
    assert responses.Y_test is None and data.truth("sub-01") is None


def test_responses_equal_nibabel_less_a_fitted_line(tmp_path):
    data = open_bids(make_bids(tmp_path))
    responses = data.responses("sub-01")
    ijk, t = responses.voxels.ijk, np.arange(20)
    for run in range(3):
        volume = nibabel.load(tmp_path / RUN.format(run + 1, "bold.nii.gz")).get_fdata()
        Y = volume[tuple(ijk.T)].T
        line = polynomial.polyval(t, polynomial.polyfit(t, Y, 1)).T
        np.testing.assert_allclose(responses.Y_train[20 * run : 20 * run + 20], Y - line, atol=1e-3)


def test_detrending_keeps_constant_voxels_at_zero_and_marks_nan():
    Y = np.random.default_rng(1).normal(1e4, 10, (50, 3))
    Y[:, 1], Y[7, 2] = 12345.678, np.inf
    out = detrend_run(Y)
    assert np.ptp(out[:, 0]) > 1 and (out[:, 1] == 0).all() and np.isnan(out[:, 2]).all()


def test_computed_mask_leaves_out_air_and_constant_voxels(tmp_path):
    root = make_bids(tmp_path, mask=False)
    volume = noise(np.random.default_rng(3))
    volume[0] = volume[0] % 7  # air: varies, but dark
    volume[1, 0, 0] = 900  # constant
    write_nifti(root / RUN.format(2, "bold.nii.gz"), volume)
    for run in (1, 3):
        dark = noise(np.random.default_rng(run))
        dark[0] = dark[0] % 7
        write_nifti(root / RUN.format(run, "bold.nii.gz"), dark)
    mask = open_bids(root).mask("sub-01")
    expected = np.ones((5, 4, 2), bool)
    expected[0] = expected[1, 0, 0] = False
    assert np.array_equal(mask.inside, expected) and "computed" in mask.source


def test_computed_mask_of_centred_data_goes_by_variance(tmp_path):
    volume = np.random.default_rng(0).normal(0, 1, (4, 4, 2, 30)).astype(np.float32)
    volume[0] = 0
    mask = computed_mask([write_nifti(tmp_path / "a_bold.nii", volume - volume.mean(3, keepdims=True))])
    assert mask.inside.sum() == 3 * 4 * 2 and not mask.inside[0].any()


@pytest.mark.parametrize(("tr", "unit", "seconds"), [(2000.0, "msec", 2.0), (1.5, "sec", 1.5), (0.8, "unknown", 0.8)])
def test_tr_from_header_by_its_unit(tmp_path, tr, unit, seconds):
    root = make_bids(tmp_path, n_runs=1, sidecar=False)
    write_nifti(root / RUN.format(1, "bold.nii.gz"), noise(np.random.default_rng(0)), tr, unit)
    assert open_bids(root).design("sub-01").tr == pytest.approx(seconds)


def test_tr_in_milliseconds_is_refused(tmp_path):
    root = make_bids(tmp_path)
    (root / "sub-01/func/sub-01_task-view_bold.json").write_text('{"RepetitionTime": 2500}')
    with pytest.raises(DataError, match="2500.*in seconds"):
        open_bids(root).design("sub-01")


def test_sidecar_at_the_top_is_inherited_and_the_near_one_wins(tmp_path):
    root = make_bids(tmp_path, sidecar=False)
    (root / "task-view_bold.json").write_text('{"RepetitionTime": 1.25}', encoding="utf-8-sig")
    assert open_bids(root).design("sub-01").tr == 1.25
    for run in (1, 2, 3):
        (root / RUN.format(run, "bold.json")).write_text('{"RepetitionTime": 2.0}')
    assert open_bids(root).design("sub-01").tr == 2.0
    (root / RUN.format(3, "bold.json")).unlink()
    with pytest.raises(DataError, match="got 1.25 s in .*run-03"):
        open_bids(root).design("sub-01")


def test_runs_are_sorted_by_session_and_number(tmp_path):
    for session, runs in (("b", (10, 9)), ("a", (2,))):
        for run in runs:
            stem = tmp_path / f"sub-x/ses-{session}/func/sub-x_ses-{session}_task-t_run-{run}"
            write_nifti(Path(f"{stem}_bold.nii.gz"), noise(np.random.default_rng(run)))
            write_events(Path(f"{stem}_events.tsv"), [(0, 5, "word")])
    labels = [run.label for run in open_bids(tmp_path).runs["sub-x"]]
    assert labels == [f"sub-x_ses-{s}_task-t_run-{r}" for s, r in (("a", 2), ("b", 9), ("b", 10))]
    assert entities(Path("sub-x_ses-a_task-t_run-02_desc-preproc_bold.nii.gz"))["run"] == "2"


def test_several_tasks_are_listed_and_one_can_be_chosen(tmp_path):
    root = make_bids(tmp_path)
    for suffix in ("bold.nii.gz", "events.tsv"):
        shutil.copy(root / RUN.format(1, suffix), root / f"sub-01/func/sub-01_task-read_run-01_{suffix}")
    with pytest.raises(DataError, match=r"\['read', 'view'\]"):
        open_bids(root)
    with pytest.raises(DataError, match="no task 'walk'"):
        open_bids(root, "walk")
    assert open_bids(root, "view").design("sub-01").n_train == 60
    (root / "sub-01/func/sub-01_task-read_run-01_events.tsv").unlink()
    assert open_bids(root).task == "view"  # a task without events cannot be meant


def test_images_as_stimuli(tmp_path):
    root = make_bids(tmp_path, n_runs=1)
    (root / "stimuli").mkdir()
    (root / "content").write_bytes(b"any")
    (root / "stimuli/a.png").symlink_to("../content")  # as datalad keeps files
    (root / "b.jpg").write_bytes(b"other")
    columns = ("onset", "duration", "trial_type", "stim_file")
    rows = [(0, 5, "x", "a.png"), (5, 5, "y", "b.jpg"), (9, 5, "z", "n/a")]
    write_events(root / RUN.format(1, "events.tsv"), rows, columns)
    data = open_bids(root)
    assert data.stimulus("sub-01").kind == "image"
    assert data.stimulus("sub-01").items == [str(root / "stimuli/a.png"), str(root / "b.jpg")]
    before = data.digest("sub-01")
    (root / "b.jpg").write_bytes(b"changed")
    assert data.digest("sub-01") != before


@pytest.mark.parametrize("name", ["gone.png", "../secret.png", "/etc/passwd", "notes.txt", "x" * 300])
def test_images_that_are_not_there_or_outside_are_refused(tmp_path, name):
    root = make_bids(tmp_path / "set", n_runs=1)
    (tmp_path / "secret.png").write_bytes(b"x")
    (root / "notes.txt").write_text("x")
    write_events(root / RUN.format(1, "events.tsv"), [(0, 5, name)], ("onset", "duration", "stim_file"))
    with pytest.raises(DataError, match="Expected stim_file to name an image"):
        open_bids(root).stimulus("sub-01")


def test_runs_on_another_grid_are_named(tmp_path):
    root = make_bids(tmp_path)
    moved = AFFINE.copy()
    moved[0, 3] = 7
    write_nifti(root / RUN.format(2, "bold.nii.gz"), noise(np.random.default_rng(0)), affine=moved)
    with pytest.raises(DataError, match="run-02_bold.*First align and resample"):
        open_bids(root).design("sub-01")
    write_nifti(root / RUN.format(2, "bold.nii.gz"), noise(np.random.default_rng(0), (5, 4, 3, 20)))
    with pytest.raises(DataError, match=r"\(5, 4, 3\)"):
        open_bids(root).responses("sub-01")


def test_mask_on_another_grid_or_empty_is_refused(tmp_path):
    root = make_bids(tmp_path)
    path = root / "sub-01/func/sub-01_task-view_mask.nii.gz"
    write_nifti(path, np.ones((4, 4, 2), np.uint8))
    with pytest.raises(DataError, match="grid of the runs"):
        open_bids(root).responses("sub-01")
    write_nifti(path, np.zeros((5, 4, 2), np.uint8))
    with pytest.raises(DataError, match="zeros only"):
        open_bids(root).responses("sub-01")


def test_events_past_the_end_name_run_onset_and_length(tmp_path):
    root = make_bids(tmp_path)
    write_events(root / RUN.format(2, "events.tsv"), [(61.0, 5.0, "face")])
    with pytest.raises(DataError, match="run sub-01_task-view_run-02.* 50 s long .* 1 of 1 beyond its end.*onset 61 s"):
        open_bids(root).stimulus("sub-01")


def test_missing_events_two_files_for_a_run_and_no_runs(tmp_path):
    root = make_bids(tmp_path)
    shutil.copy(root / RUN.format(1, "bold.nii.gz"), root / RUN.format(1, "space-T1w_bold.nii.gz"))
    with pytest.raises(DataError, match="Expected one bold file for each run.*space-T1w"):
        open_bids(root).design("sub-01")
    (root / RUN.format(1, "space-T1w_bold.nii.gz")).unlink()
    (root / RUN.format(1, "events.tsv")).unlink()
    with pytest.raises(DataError, match="Expected .*_events.tsv beside the run .*run-01"):
        open_bids(root).stimulus("sub-01")
    (tmp_path / "empty" / "sub-01" / "func").mkdir(parents=True)
    with pytest.raises(DataError, match="got none. Check the folder"):
        open_bids(tmp_path / "empty")
    with pytest.raises(RequestError, match="Expected a subject of the dataset, got 'sub-99'"):
        open_bids(root).design("sub-99")


def test_digest_follows_content_not_time(tmp_path):
    data = open_bids(make_bids(tmp_path))
    before = data.digest("sub-01")
    path = tmp_path / RUN.format(1, "events.tsv")
    os.utime(path, (1, 1))
    assert data.digest("sub-01") == before
    path.write_text(path.read_text().replace("face", "foot"))  # same size
    assert data.digest("sub-01") != before


def test_description_is_read_and_a_broken_one_refused(tmp_path):
    root = make_bids(tmp_path)
    path = root / "dataset_description.json"
    path.write_text(json.dumps({"Name": "Set", "License": "CC0", "DatasetDOI": "10.1/x", "Simulated": True}))
    data = open_folder(root)
    assert (data.title, data.licence, data.citation, data.simulated) == ("Set", "CC0", "doi:10.1/x", True)
    path.write_text("{")
    with pytest.raises(DataError, match="JSON"):
        open_bids(root)


def test_shuffled_events_move_whole_runs_and_nothing_else(tmp_path):
    data = open_bids(make_bids(tmp_path, n_runs=4))
    null = shuffle_events(data, seed=3)
    true, moved = data.stimulus("sub-01"), null.stimulus("sub-01")
    blocks = [true.weights.toarray()[k : k + 20] for k in range(0, 80, 20)]
    given = [moved.weights.toarray()[k : k + 20] for k in range(0, 80, 20)]
    source = [next(j for j in range(4) if np.array_equal(block, blocks[j])) for block in given]
    assert sorted(source) == [0, 1, 2, 3] and all(j != k for k, j in enumerate(source))
    assert np.array_equal(null.responses("sub-01").Y_train, data.responses("sub-01").Y_train)
    assert null.digest("sub-01") != data.digest("sub-01") != shuffle_events(data, 4).digest("sub-01")
    assert "null" in null.title and null.truth("sub-01") is None and null.subjects == data.subjects


def test_shifted_events_keep_each_runs_own_events(tmp_path):
    data = open_bids(make_bids(tmp_path))
    true, moved = data.stimulus("sub-01").weights.toarray(), shift_events(data, 0).stimulus("sub-01").weights.toarray()
    for run in (slice(0, 20), slice(20, 40), slice(40, 60)):
        offsets = [k for k in range(20) if np.array_equal(np.roll(true[run], k, 0), moved[run])]
        assert len(offsets) == 1 and offsets[0] > 0


def test_shuffling_needs_runs_of_equal_length(tmp_path):
    root = make_bids(tmp_path)
    write_nifti(root / RUN.format(3, "bold.nii.gz"), noise(np.random.default_rng(0), (5, 4, 2, 21)))
    with pytest.raises(RequestError, match=r"\[20, 20, 21\]"):
        shuffle_events(open_bids(root), 0).stimulus("sub-01")


def test_derangements_are_all_equally_likely():
    rng = np.random.default_rng(0)
    draws = [tuple(derangement(3, rng).tolist()) for _ in range(400)]
    assert set(draws) == {(1, 2, 0), (2, 0, 1)} and 150 < draws.count((1, 2, 0)) < 250


@pytest.mark.skipif(not HAXBY.is_dir(), reason="real data ../shared/data/haxby2001_1slice is not here")
def test_real_haxby_slice():
    data = open_folder(HAXBY)
    design, stimulus, responses = data.design("sub-01"), data.stimulus("sub-01"), data.responses("sub-01")
    assert (design.tr, design.n_train) == (2.5, 12 * 121)
    assert design.run_onsets.tolist() == list(range(0, 1452, 121))
    assert responses.Y_train.shape == (1452, 530) and np.isfinite(responses.Y_train).all()
    assert responses.voxels.shape == (40, 20, 1) and responses.voxels.ijk.max(0).tolist() <= [39, 19, 0]
    assert stimulus.items == ["bottle", "cat", "chair", "face", "house", "scissors", "scrambledpix", "shoe"]
    assert np.allclose(stimulus.weights.sum(0), 12 * 22.5 / 2.5)
    assert "mask from sub-01_task-objectviewing_mask.nii.gz" in data.mask("sub-01").source
    assert not data.simulated and data.licence == "CC BY-SA 3.0" and "Haxby" in data.citation
