"""Cleaning equals nilearn's, on whole runs; what is left out is neither fitted nor scored; all is said and in keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nilearn.interfaces.fmriprep import load_confounds
from nilearn.signal import clean
from numpy.testing import assert_allclose

from brivl.core.encoding.cv_splits import cv_splits
from brivl.core.encoding.delays import delay
from brivl.core.encoding.encode import encode_parts
from brivl.core.encoding.presets import STRICT
from brivl.data.bids.cleaning import CleaningOptions
from brivl.data.bids.confounds import PARAMETERS, read_confounds
from brivl.data.bids.loader import BidsDataset, open_bids
from brivl.data.bids.options import STRATEGIES
from brivl.errors import DataError
from tests.support.bids_fixture import make_bids
from tests.support.fmriprep_fixture import MOTION, SHAPE, confounds, make_fmriprep, write_confounds, write_run

FUNC = "derivatives/fmriprep/sub-01/ses-1/func"
STEM = "sub-01_ses-1_task-read_run-{}"
N, TR = 80, 2.0  # 160 s, so that a high-pass filter of 128 s is possible


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    raw = make_fmriprep(tmp_path_factory.mktemp("cleaning") / "study", n=N)
    for run in (1, 2, 3):  # spikes, which scrubbing leaves out
        table = confounds(np.random.default_rng(run), N, 2, (30, 31))
        write_confounds(raw / FUNC / f"{STEM.format(run)}_desc-confounds_timeseries.tsv", table)
    return raw


def opened(study: Path, **options: str) -> BidsDataset:
    return open_bids(study, options=options)


def bold(study: Path, run: int) -> np.ndarray:
    path = study / FUNC / f"{STEM.format(run)}_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold.nii.gz"
    volume = nibabel.load(path).get_fdata()
    return volume.reshape(-1, N).T


def by_nilearn(study: Path, run: int, strategy: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values of one run cleaned by nilearn, which reads the table by the name of the image; and the volumes kept."""
    image = str(study / FUNC / f"{STEM.format(run)}_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold.nii.gz")
    columns, kept = load_confounds(image, demean=True, **PARAMETERS[strategy])
    cleaned = clean(
        values, confounds=columns, sample_mask=kept, detrend=True, standardize=None, filter="cosine",
        high_pass=1 / 128, t_r=TR,
    )  # fmt: skip
    return cleaned, kept


@pytest.mark.filterwarnings("ignore:.*(high_pass|high pass).*")
@pytest.mark.parametrize("strategy", ["basic", "simple", "scrubbing"])
def test_responses_are_those_of_signal_clean(study: Path, strategy: str) -> None:
    data = opened(study, clean=strategy)
    Y, kept = data.responses("sub-01").Y_train.reshape(3, N, -1), data.design("sub-01").cleaning.kept.reshape(3, N)
    for run in (1, 2, 3):
        expected, rows = by_nilearn(study, run, strategy, bold(study, run))
        assert np.flatnonzero(kept[run - 1]).tolist() == rows.tolist()
        assert_allclose(Y[run - 1][rows], expected, atol=1e-4)  # float32 of values around 10
        assert not Y[run - 1][~kept[run - 1]].any()
    dropped = {"basic": 2, "simple": 2}.get(strategy, 4)
    assert (~kept).sum(1).tolist() == [dropped] * 3


@pytest.mark.filterwarnings("ignore:.*(high_pass|high pass).*")
def test_scores_are_those_of_signal_clean_and_a_plain_ridge(study: Path) -> None:
    """Delayed features, cleaned as the responses are; one alpha; each run left out in turn."""
    data, rng = opened(study, clean="basic"), np.random.default_rng(0)
    design, alpha = replace(data.design("sub-01"), nuisance=None), 3.0
    assert design.cleaning is not None
    Xs = [rng.normal(size=(3 * N, 4)).astype(np.float32) for _ in range(2)]
    responses = data.responses("sub-01")
    _, scores = encode_parts(Xs, responses, design, replace(STRICT, alphas=(alpha,)))
    Y, rows = np.zeros((3 * N, 60)), []
    for run in range(3):
        Y_run, kept = by_nilearn(study, run + 1, "basic", bold(study, run + 1))
        Y[run * N + kept] = Y_run
        rows.append(run * N + kept)
    for X, score in zip(Xs, scores, strict=True):
        r2 = []
        for held_out in range(3):
            train = np.concatenate([rows[run] for run in range(3) if run != held_out])
            delayed = np.zeros((3 * N, 16))
            shifted = delay(X - X[train].mean(0), (0, 2, 3, 4), np.arange(3) * N)
            for run in range(3):
                delayed[rows[run]] = by_nilearn(study, run + 1, "basic", shifted[run * N : (run + 1) * N])[0]
            scaled = {run: (Y[rows[run]] - Y[rows[run]].mean(0)) / Y[rows[run]].std(0) for run in range(3)}
            Y_train = np.concatenate([scaled[run] for run in range(3) if run != held_out])
            variance = np.mean([Y[rows[run]].var(0) for run in range(3) if run != held_out], axis=0)
            Y_test = (Y[rows[held_out]] - Y[rows[held_out]].mean(0)) / np.sqrt(variance)
            K = delayed[train] @ delayed[train].T
            scale = np.trace(K) / len(K)
            weights = np.linalg.solve(K / scale + alpha * np.eye(len(K)), Y_train)
            predicted = delayed[rows[held_out]] @ delayed[train].T / scale @ weights
            r2.append(1 - ((Y_test - predicted) ** 2).sum(0) / (Y_test**2).sum(0))
        assert_allclose(score, np.mean(r2, axis=0), atol=1e-5)


def test_confounds_are_regressed_out_by_default_where_they_predict_other_runs(tmp_path: Path) -> None:
    raw, rng = make_fmriprep(tmp_path, n=N), np.random.default_rng(3)
    weights = rng.normal(size=(6, 60))
    for effect in (0.0, 5.0):
        for run in (1, 2, 3):
            table = confounds(np.random.default_rng(10 + run), N, 2)
            write_confounds(raw / FUNC / f"{STEM.format(run)}_desc-confounds_timeseries.tsv", table)
            moved = effect * np.column_stack([table[name] for name in MOTION]) @ weights
            values = 1000 + rng.normal(0, 10, (N, 60)) + moved
            write_run(raw / "derivatives/fmriprep", STEM.format(run), values.T.reshape(*SHAPE, N).astype(np.float32))
        data = open_bids(raw)
        undecided = data.reading("sub-01").notes  # a page reads no BOLD
        Y, same = data.responses("sub-01").Y_train, "basic" if effect else "none"
        how = {"clean": same, "highpass": "128", "dummies": "drop"}
        np.testing.assert_array_equal(Y, open_bids(raw, options=how).responses("sub-01").Y_train)
        operators = zip(
            data.design("sub-01").cleaning.operators, open_bids(raw, options=how)._cleaned("sub-01"), strict=True
        )
        assert all((operator == one.operator).all() for operator, one in operators)
        assert any(note.endswith("which the fit decides.") for note in undecided)
        decided = next(note for note in data.reading("sub-01").notes if "strategy auto" in note)
        assert decided.startswith("8 confounds (6 motion parameters, CSF and white matter; strategy auto) are ")
        assert ("regressed out of each run, too: they explain R²" in decided) == bool(effect)
        assert ("not regressed out: they explain nothing" in decided) == (not effect)


def test_what_is_left_out_is_in_no_fold(study: Path) -> None:
    design = opened(study).design("sub-01")
    left_out = {0, 1, N, N + 1, 2 * N, 2 * N + 1}
    assert set(np.flatnonzero(~design.cleaning.kept)) == left_out
    splits = cv_splits(design, STRICT)
    assert not left_out & {row for split in splits for row in (*split.train, *split.test)}
    assert sorted(row for split in splits for row in split.test) == sorted(set(range(3 * N)) - left_out)


def test_it_is_said_with_numbers_and_in_the_key(study: Path) -> None:
    data = opened(study, clean="basic")
    notes = data.reading("sub-01").notes
    assert (
        "Cleaning: a line and cosines with periods longer than 128 s and 8 confounds (strategy basic) removed from "
        "each run, and from the delayed features in the same way (nilearn's signal.clean)."
    ) in notes
    assert "6 volumes before the steady state are neither fitted nor scored: 2 in each run." in notes
    assert any(note.startswith("Motion: mean framewise displacement 0.15 mm") for note in notes)
    assert data.reading("sub-01").chips[1] == "cleaned: confounds basic, cosine 128 s"
    scrubbed = opened(study, clean="scrubbing").reading("sub-01").notes
    assert "6 volumes censored for motion are neither fitted nor scored: 2 in each run." in scrubbed
    ways = [{"clean": name} for name in ("basic", "auto", "simple", "scrubbing", "none")]
    ways += [{"highpass": "100"}, {"highpass": "savgol:60"}, {"highpass": "linear"}, {"dummies": "keep"}]
    ways += [{"smooth": "6"}, {"clean": "none", "highpass": "128"}]
    digests = [opened(study, **way).digest("sub-01") for way in ways]
    assert len(set(digests)) == len(ways) and digests[0] == data.digest("sub-01")
    raw = opened(study, clean="none").reading("sub-01")
    assert raw.chips[1] == "not cleaned"
    assert "Cleaning: the linear drift of each run is removed; no high-pass filter, no confounds." in raw.notes


def test_the_table_of_confounds_is_in_the_key_by_its_content(tmp_path: Path) -> None:
    raw = make_fmriprep(tmp_path)
    before, untouched = open_bids(raw).digest("sub-01"), open_bids(raw, options={"clean": "none"}).digest("sub-01")
    table = confounds(np.random.default_rng(9), 40, 2)
    write_confounds(raw / FUNC / f"{STEM.format(1)}_desc-confounds_timeseries.tsv", table)
    assert open_bids(raw).digest("sub-01") != before
    assert open_bids(raw, options={"clean": "none"}).digest("sub-01") == untouched
    short = open_bids(raw).cleaning_plan("sub-01")  # runs of 80 s
    assert (short.strategy, short.high_pass, short.drop_dummies) == ("auto", "linear", True)


def test_raw_bold_is_as_it_was_and_said_to_be_raw(tmp_path: Path) -> None:
    data = open_bids(make_bids(tmp_path))
    assert data.cleaning_plan("sub-01").is_drift_only and data.design("sub-01").cleaning is None
    assert data.reading("sub-01").chips == ("raw BOLD, not cleaned",)
    filtered = open_bids(tmp_path, options={"highpass": "savgol:20"})
    Y = filtered.responses("sub-01").Y_train[:20]
    drift = np.linspace(0, 1, 20)
    assert np.abs(Y.T @ drift).max() < np.abs(data.responses("sub-01").Y_train[:20].std(0)).max() * 5
    with pytest.raises(DataError, match="Expected a table of confounds beside .*run-01_bold.* got none.*--clean none"):
        open_bids(tmp_path, options={"clean": "simple"}).design("sub-01")


def test_savitzky_golay_removes_slow_drift_and_leaves_fast_signal(study: Path) -> None:
    operator = opened(study, clean="none", dummies="drop", highpass="savgol:60")._cleaned("sub-01")[0]
    t = np.arange(N) * TR
    slow, fast = np.cos(2 * np.pi * t / 320)[:, None], np.cos(2 * np.pi * t / 12)[:, None]
    assert np.abs(operator.apply(slow)).max() < 0.05
    assert_allclose(operator.apply(fast)[10:-10], fast[10:-10], atol=0.1)
    assert not operator.apply(fast)[:2].any()


def test_smoothing_is_that_of_nilearn(study: Path) -> None:
    from nilearn.image import smooth_img

    smoothed = opened(study, clean="none", smooth="6").responses("sub-01").Y_train[:N]
    path = study / FUNC / f"{STEM.format(1)}_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold.nii.gz"
    expected = smooth_img(str(path), 6).get_fdata().reshape(-1, N).T
    expected = clean(expected, detrend=True, standardize=None, filter=False)
    assert_allclose(smoothed, expected, atol=1e-3)


def test_old_tables_and_strategies_that_need_more(tmp_path: Path) -> None:
    raw = make_fmriprep(tmp_path, n_runs=1)
    path, rng = raw / FUNC / f"{STEM.format(1)}_desc-confounds_timeseries.tsv", np.random.default_rng(0)
    new = confounds(rng, 40)
    old = dict(zip(("X", "Y", "Z", "RotX", "RotY", "RotZ"), (new[name] for name in MOTION), strict=True))
    old |= {
        "CSF": new["csf"],
        "WhiteMatter": new["white_matter"],
        "FramewiseDisplacement": new["framewise_displacement"],
    }
    old |= {"stdDVARS": new["std_dvars"], "NonSteadyStateOutlier00": (np.arange(40) == 0).astype(float)}
    write_confounds(path, old)
    run = open_bids(raw).runs["sub-01"][0]
    read = read_confounds(run, "simple", 40)
    write_confounds(path, new | {"non_steady_state_outlier00": old["NonSteadyStateOutlier00"]})
    again = read_confounds(run, "simple", 40)
    assert read.names == again.names and not read.steady[0] and read.steady[1:].all()
    assert_allclose(read.columns[2:], again.columns[2:])
    for strategy, lacks in (("compcor", "a_comp_cor"), ("ica_aroma", "aroma_motion")):
        with pytest.raises(DataError, match=f"columns of the strategy {strategy} in .* none called {lacks}.*--clean"):
            read_confounds(run, strategy, 40)
    aroma = {f"aroma_motion_{k:02d}": rng.normal(size=40) for k in range(3)}
    write_confounds(path, new | aroma)
    assert {name for name in read_confounds(run, "ica_aroma", 40).names} == {"csf", "white_matter", *aroma}
    with pytest.raises(DataError, match="for the strategy compcor, got .*nilearn: .*json"):
        write_confounds(path, new | {"a_comp_cor_00": rng.normal(size=40)})
        read_confounds(run, "compcor", 40)
    path.with_suffix(".json").write_text(
        json.dumps({"a_comp_cor_00": {"Method": "aCompCor", "Mask": "combined", "Retained": True}})
    )
    assert "a_comp_cor_00" in read_confounds(run, "compcor", 40).names
    assert set(STRATEGIES) == set(PARAMETERS)


def shorter(table: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: values[:-3] for name, values in table.items()}


BAD_TABLES: list[tuple[Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]], str]] = [
    (shorter, "Expected 40 rows in .*one for each volume of .*bold.nii.gz', got 37. Use the table of this run"),
    (lambda t: {f"my_{name}": values for name, values in t.items()}, "columns of the strategy auto .* called trans_x"),
    (
        lambda t: t | {"rot_x": np.full(40, np.nan)},
        "a number for each volume in the column 'rot_x' .* n/a or infinity in 40 of 40",
    ),
    (lambda t: t | {f"non_steady_state_outlier{k:02d}": np.arange(40) == k for k in range(35)}, "got 5 of 40 volumes"),
]


@pytest.mark.parametrize(("change", "message"), BAD_TABLES)
def test_bad_tables_are_refused_in_a_sentence(
    tmp_path: Path, change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]], message: str
) -> None:
    raw = make_fmriprep(tmp_path, n_runs=2)
    table = confounds(np.random.default_rng(0), 40)
    path = write_confounds(raw / FUNC / f"{STEM.format(2)}_desc-confounds_timeseries.tsv", change(table))
    with pytest.raises(DataError, match=message):
        open_bids(raw).design("sub-01")
    path.write_text("trans_x\ttrans_y\n1\tfast\n", encoding="utf-8")
    with pytest.raises(DataError, match="Expected 40 rows"):
        open_bids(raw).design("sub-01")
    path.write_text("trans_x\ttrans_y\n" + "1\tfast\n" * 40, encoding="utf-8")
    with pytest.raises(DataError, match="Expected numbers or n/a in the column 'trans_y' .* got 'fast'"):
        open_bids(raw).design("sub-01")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clean": "24p"}, "Expected clean as one of none, auto, basic, simple, .* got '24p'"),
        ({"highpass": "fast"}, "Expected highpass as seconds"),
        ({"dummies": "3"}, "Expected dummies=drop or dummies=keep, got '3'"),
        ({"smooth": "-2"}, "Expected smooth in mm from 0 to 30, got '-2'"),
    ],
)
def test_choices_that_do_not_exist(options: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        CleaningOptions.from_options(options)
