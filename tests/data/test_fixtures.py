"""Simulated folders in published forms: said to be simulated everywhere, with a signal that is found again."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from threadpoolctl import threadpool_limits

from brivl.commands.main import main
from brivl.core.simulation.hrf import convolve_runs
from brivl.data.fixtures import FixtureSize, fixture_size, write_fixture
from brivl.data.pereira2018.fixture import TOPIC_KINDS, PereiraSize
from brivl.data.pereira2018.passages import load_passages
from brivl.data.registry import list_datasets, open_dataset
from brivl.data.shortclips.fixture import N_VERTICES, ShortclipsSize, _signal, write_simulated_shortclips
from brivl.data.shortclips.mapper import read_flatmap, read_fsaverage, read_mapper_summary
from brivl.data.status import data_reports
from brivl.errors import RequestError, StoreError
from brivl.store.artifacts import Store
from brivl.store.digests import array_digest

SMALL = ShortclipsSize(n_subjects=2, n_voxels=60, n_train=120, frames_per_tr=1, frame_side=16)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both forms."""
    found = tmp_path_factory.mktemp("simulated")
    write_fixture(found / "clips", SMALL)
    write_fixture(found / "reading", PereiraSize(n_subjects=2, n_voxels=400, n_sentences=96))
    return found


def test_shortclips_form_with_a_signal_from_its_frames(root: Path, tmp_path: Path) -> None:
    d = open_dataset(str(root / "clips"), Store(tmp_path))
    responses, design = d.responses("S01"), d.design("S01")
    assert d.simulated and "imulated" in d.title and "Huth" not in d.citation
    assert responses.Y_train.shape == (120, 60) and responses.Y_test.shape == (10, 20, 60)
    assert np.isnan(responses.Y_train[:, 3]).all() and np.isfinite(np.delete(responses.Y_train, 3, 1)).all()
    # What is said to be planted, worked out again from the frames, is in the average of the repeats.
    frames = d.stimulus("S01").items[:].astype(np.float32)
    colours = frames.reshape(140, 4, 4, 4, 4, 3).mean((2, 4)).reshape(140, -1)
    Z = convolve_runs(colours, 2.0, np.r_[design.run_onsets, 120])
    Z = (Z - Z.mean(0)) / np.maximum(Z.std(0), 1e-6)
    signal, noise_sd = _signal(np.random.default_rng([0, 0, 0]), Z, 60)
    noise = responses.Y_test - signal[120:]
    np.testing.assert_allclose(noise.std((0, 1)) / noise_sd, 1, atol=0.4)
    explained = 1 - noise_sd**2
    assert 15 < (explained > 0).sum() < 45
    strong = explained > 0.2
    pairs = zip(responses.Y_test.mean(0)[:, strong].T, signal[120:, strong].T, strict=True)
    assert np.median([np.corrcoef(y, x)[0, 1] for y, x in pairs]) > 0.7


def test_mappers_have_the_published_form(root: Path) -> None:
    path = root / "clips" / "mappers" / "S02_mappers.hdf"
    facts, flat = read_mapper_summary(path), read_flatmap(path)
    assert facts.n_voxels == 60 and sorted(facts.rois) == ["FFA", "V1"] and facts.has_fsaverage
    assert flat.operator.shape == (flat.mask.sum(), 60) and flat.operator.min() < 0
    assert set(flat.operator.indices.tolist()) == set(range(60))  # every voxel is to be seen
    assert read_fsaverage(path).shape == (N_VERTICES, 60)


def test_pereira_form_with_a_signal_from_its_sentences(root: Path, tmp_path: Path) -> None:
    """What is said to be planted explains the responses, by another way: correlations, and variance between means."""
    d = open_dataset(f"{root / 'reading'}:2", Store(tmp_path))
    assert d.simulated and d.subjects == ("P01", "M02") and "imulated" in d.title and "Pereira, F." not in d.citation
    responses = d.responses("P01")
    Y, aal = responses.Y_train, responses.voxels.aal
    assert len(Y) == 96 and set(np.unique(aal)) <= set(range(1, 91))
    follows_length, follows_topic = np.isin(aal % 8, (1, 2)), np.isin(aal % 8, (5, 6))
    words = np.array([item.count(" ") + 1 for item in d.stimulus("P01").items])
    share_length = np.corrcoef(words, Y, rowvar=False)[0, 1:] ** 2
    passages = load_passages()
    names = [passages.topic_names[passages.topic[i // 4]] for i in range(96)]
    kind = np.array([next(k for k, topics in enumerate(TOPIC_KINDS) if name in topics) for name in names])
    means = np.stack([Y[kind == k].mean(0) for k in np.unique(kind)])
    share_topic = np.bincount(kind)[np.unique(kind)] @ (means - Y.mean(0)) ** 2 / (len(Y) * Y.var(0))
    for share, planted in ((share_length, follows_length), (share_topic, follows_topic)):
        assert np.mean(share[~planted]) < 0.06 < 0.2 < np.mean(share[planted]) < 0.4  # chance: 1 or 2 of 95


def test_lists_and_reports_say_simulated(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIVL_DATA", str(root))
    cards = {Path(card.name).name: card for card in list_datasets(Store(tmp_path))}
    assert cards["clips"].simulated and cards["reading:2"].simulated
    reports = {report.name: report for report in data_reports(Store(tmp_path))}
    assert reports[str(root / "clips")].kind == "simulated" and reports[str(root / "clips")].size > 10_000
    assert reports[f"{root / 'reading'}:2"].folder == str(root / "reading")
    published = [report for report in reports.values() if report.kind == "published"]
    assert {report.name for report in published} == {"shortclips", "pereira2018", "algonauts2023"}
    assert all(set(report.counts) == {"missing"} for report in published)  # nothing simulated passes for published


def test_files_without_the_mark_are_measured(root: Path, tmp_path: Path) -> None:
    """Each file carries the mark itself, so that one that is copied elsewhere keeps it."""
    folder = tmp_path / "copied"
    (folder / "responses").mkdir(parents=True)
    target = folder / "responses" / "S01_responses.hdf"
    target.write_bytes((root / "clips" / "responses" / "S01_responses.hdf").read_bytes())
    assert open_dataset(str(folder), Store(tmp_path)).simulated
    with h5py.File(target, "r+") as file:
        del file.attrs["simulated"]
    assert not open_dataset(str(folder), Store(tmp_path)).simulated
    (tmp_path / "P01").mkdir()
    scipy.io.savemat(tmp_path / "P01" / "examples_384sentences.mat", {"examples": np.zeros((2, 2))})
    assert not open_dataset(f"{tmp_path}:2", Store(tmp_path)).simulated


def test_nothing_half_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(done: float, _total: float, _message: str) -> None:
        if done == 1:
            raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match="No space left"):
        write_fixture(tmp_path / "clips", SMALL, stop)
    assert not list(tmp_path.iterdir())
    huge = ShortclipsSize(n_subjects=99, n_voxels=500_000, n_train=9_600)
    with pytest.raises(StoreError, match="free disk space"):
        write_fixture(tmp_path / "clips", huge)


def test_the_seed_makes_the_folder(tmp_path: Path, root: Path) -> None:
    write_simulated_shortclips(tmp_path / "again", SMALL, lambda *_: None)
    for name in ("responses/S02_responses.hdf", "stimuli/test.hdf"):
        with h5py.File(tmp_path / "again" / name) as one, h5py.File(root / "clips" / name) as two:
            for key in one:
                np.testing.assert_array_equal(one[key][()], two[key][()])


@pytest.mark.parametrize(
    "size",
    [
        ShortclipsSize(n_subjects=1, n_voxels=300, n_train=240, frames_per_tr=1, frame_side=16),
        PereiraSize(n_subjects=1, n_voxels=2000, n_sentences=384),
    ],
    ids=["shortclips", "pereira2018"],
)
def test_responses_do_not_depend_on_threads(size: FixtureSize, tmp_path: Path) -> None:
    """OpenBLAS adds up products of this size in another order on two threads; keys cover the responses."""
    digests = []
    for n_threads in (1, 2, 3):
        folder = tmp_path / str(n_threads)
        with threadpool_limits(n_threads, "blas"):
            write_fixture(folder, size)
        dataset = open_dataset(f"{folder}{':2' if isinstance(size, PereiraSize) else ''}", Store(tmp_path / "store"))
        responses = dataset.responses(dataset.subjects[0])
        digests.append(array_digest(np.asarray(responses.Y_train[:, :])))
    assert len(set(digests)) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["pereira", "--out", "x"],
        ["shortclips", "--out", "x", "--subjects", "0"],
        ["shortclips", "--out", "x", "--samples", "121"],
        ["pereira2018", "--out", "x", "--samples", "5000"],
        ["pereira2018", "--out", "missing/x"],
        ["pereira2018", "--out", "."],
    ],
)
def test_a_wrong_choice_is_a_sentence(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", "make-fixture", *words]) == 2
    assert capsys.readouterr().err.startswith(("brivl: Expected", "brivl: Wanted")) and not list(tmp_path.glob("*x*"))


def test_the_command_makes_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    words = ["data", "make-fixture", "pereira2018", "--out", str(tmp_path / "r"), "--subjects", "1", "--voxels", "300"]
    assert main([*words, "--samples", "40", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["simulated"] and made["bytes"] == sum(
        p.stat().st_size for p in (tmp_path / "r").rglob("*") if p.is_file()
    )
    assert len(open_dataset(f"{tmp_path / 'r'}:2", Store(tmp_path)).stimulus("P01").items) == 40


def test_sizes_default_to_the_full_ones() -> None:
    clips, reading = fixture_size("shortclips", None, None, None), fixture_size("pereira2018", None, None, None)
    assert (clips.n_subjects, clips.n_voxels, clips.n_train, clips.movie.n_test) == (5, 20_000, 3600, 270)
    assert (reading.n_subjects, reading.n_voxels, reading.n_sentences) == (8, 50_000, 384)
    with pytest.raises(RequestError, match="form"):
        fixture_size("haxby", None, None, None)
