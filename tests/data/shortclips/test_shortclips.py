"""shortclips folders: shapes, NaN voxels, streamed frames, what is not fetched, and planted features recovered."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

from brivl.core.encoding.voxel_selection import NOT_FINITE
from brivl.core.flatmap.geometry import to_pixels
from brivl.core.progress import no_progress
from brivl.core.simulation.hrf import convolve_runs
from brivl.core.simulation.planting import distinct_components, unit_variance
from brivl.data import features
from brivl.data.features import layer_features
from brivl.data.flatmaps import make_flatmap, stored_flatmap
from brivl.data.formats import content_digest
from brivl.data.formats.content_digest import ContentDigest
from brivl.data.registry import list_datasets, open_dataset
from brivl.data.shortclips import frames as movie_frames
from brivl.data.shortclips.frames import MovieFrames, read_frame_header
from brivl.data.shortclips.loader import open_shortclips
from brivl.data.subject_facts import stored_facts
from brivl.data.summary import summarise_dataset
from brivl.encoding.fit import FitRequest, fit
from brivl.errors import DataError, RequestError
from brivl.models.feature_model import FeatureModel
from brivl.models.registry import open_model
from brivl.store.artifacts import Store
from brivl.tasks.registry import run_task
from tests.support.shortclips_fixture import (
    N_REPEATS,
    N_RUNS,
    N_TEST,
    ONSETS,
    PER_TR,
    RUN,
    frames,
    make_shortclips,
    mapper_arrays,
    noise_frames,
    responses_arrays,
    toy,
    write,
    write_stimuli,
)

N_TRAIN, LAYER, MODELS = N_RUNS * RUN, 8, ("brivl-mini", "vit-mini")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shortclips(tmp_path_factory.mktemp("data") / "shortclips")


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "shortclips"))


def test_what_a_folder_holds(pristine: Path, tmp_path: Path) -> None:
    summary = summarise_dataset(Store(tmp_path), str(pristine))
    assert summary.subjects == ("S01", "S04") and summary.stimulus_kind == "image" and not summary.simulated
    assert summary.default_pair == MODELS and "vy1zjd" in summary.citation
    d = summary.dataset
    design, responses, raw = d.design("S01"), d.responses("S01"), responses_arrays(20, seed=20)
    assert (design.tr, design.n_train, design.n_test) == (2.0, N_TRAIN, N_TEST)
    np.testing.assert_array_equal(design.run_onsets, ONSETS)
    np.testing.assert_array_equal(responses.Y_train, raw["Y_train"].astype(np.float32))
    np.testing.assert_array_equal(responses.Y_test, raw["Y_test"].astype(np.float32))
    assert np.isnan(responses.Y_train[:, 3]).all() and responses.voxels.flatmap == "mapper"
    assert list(responses.voxels.rois) == ["FFA", "V1"] and d.responses("S04").voxels.rois == {}
    with pytest.raises(RequestError, match="'S09'"):
        d.design("S09")


def test_frames_are_read_as_they_are_looked_at(pristine: Path) -> None:
    stimulus = open_shortclips(pristine).stimulus("S01")
    movie = np.concatenate(noise_frames())
    assert isinstance(stimulus.items, MovieFrames) and len(stimulus.items) == len(movie)
    for part in (slice(0, 3), slice(50, 200), slice(-5, None), slice(7, 7), slice(10, 2, -3), slice(0, 300, 50)):
        np.testing.assert_array_equal(stimulus.items[part], movie[part])
    np.testing.assert_array_equal(stimulus.items[-1], movie[-1])
    mean = stimulus.weights @ movie.reshape(len(movie), -1).astype(float)
    np.testing.assert_allclose(mean, movie.reshape(N_TRAIN + N_TEST, PER_TR, -1).mean(1))
    with pytest.raises(IndexError):
        stimulus.items[len(movie)]


@pytest.mark.parametrize("chunks", [None, (50, 4, 16, 3), (1, 16, 16, 3)])
def test_blocks_strips_and_floats(tmp_path: Path, chunks: tuple | None, monkeypatch: pytest.MonkeyPatch) -> None:
    movie = noise_frames()[0]
    monkeypatch.setattr(movie_frames, "BLOCK_BYTES", 20 * 16 * 16 * 3)
    monkeypatch.setattr(movie_frames, "STRIP_BYTES", 4000)
    for dtype, values in (("f4", (movie / 255).astype("f4")), ("i8", movie.astype("i8"))):
        with h5py.File(tmp_path / f"{dtype}.hdf", "w") as file:
            file.create_dataset("stimuli", data=values, chunks=chunks)
        lazy = MovieFrames((read_frame_header(tmp_path / f"{dtype}.hdf"),))
        np.testing.assert_array_equal(lazy[5:58], movie[5:58])


def test_features_are_added_up_as_items_are_read(pristine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against all at once, with a model of two layers whose features are pixels, that counts what it is given."""
    given: list[int] = []

    def extract(items: np.ndarray, progress: Callable[[float, float], None]) -> dict[str, np.ndarray]:
        given.append(len(items))
        progress(len(items), len(items))
        X = items.reshape(len(items), -1).astype(np.float32)
        return {"cls": np.stack([X[:, :9], X[:, 9:18]]), "mean": X[None, :, 5:7]}

    monkeypatch.setattr(features, "open_model", lambda name, kind: FeatureModel(name, kind, "", extract))
    stimulus, reports = open_shortclips(pristine).stimulus("S01"), []
    extracted, _ = features._extract(stimulus, "pixels", lambda done, total, _: reports.append((done, total)))
    movie = np.concatenate(noise_frames())
    X = movie.reshape(N_TRAIN + N_TEST, PER_TR, -1).mean(1).astype(np.float32)
    np.testing.assert_array_equal(extracted["cls"], np.stack([X[:, :9], X[:, 9:18]]))
    np.testing.assert_array_equal(extracted["mean"], X[None, :, 5:7])
    assert max(given) == features.ITEMS_AT_A_TIME and sum(given) == len(movie)
    assert reports[-1] == (len(movie), len(movie)) and reports == sorted(reports)


@dataclass(frozen=True)
class Planted:
    """12 voxels read layer 8 of BriVL-mini, 12 of ViT-mini, 6 are noise, the last one with NaN."""

    folder: Path
    store: Store
    owner: np.ndarray  # 0, 1, 2
    frames: np.ndarray
    X: list[np.ndarray]  # features of the samples


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    folder, rng = tmp_path_factory.mktemp("planted") / "shortclips", np.random.default_rng(5)
    store, movie, path = Store(folder.parent / "store"), frames(), folder / "responses" / "S01_responses.hdf"
    write_stimuli(folder, movie)
    write(path, responses_arrays(6))  # for the lengths of runs
    stimulus = open_shortclips(folder).stimulus("S01")
    X = [layer_features(store, stimulus, model, LAYER).astype(float) for model in MODELS]
    owner = np.repeat([0, 1, 2], [12, 12, 6])
    signal = np.zeros((N_TRAIN + N_TEST, len(owner)))
    for side in (0, 1):
        Z = distinct_components(X[side], X[1 - side], 20, 3)
        bold = convolve_runs(Z @ rng.normal(size=(3, 12)), 2.0, [*ONSETS, N_TRAIN])
        signal[:, owner == side] = unit_variance(bold)
    Y = signal + 0.6 * rng.normal(size=(N_REPEATS, *signal.shape))
    Y[0, :, -1] = np.nan
    write(path, {"Y_train": Y[0, :N_TRAIN], "Y_test": Y[:, N_TRAIN:], "run_onsets": ONSETS})
    write(folder / "mappers" / "S01_mappers.hdf", mapper_arrays(toy(len(owner))))
    return Planted(folder, store, owner, np.concatenate(movie), X)


def test_planted_features_are_recovered(planted: Planted) -> None:
    owner = planted.owner
    answer = fit(planted.store, FitRequest(str(planted.folder), MODELS, LAYER, "S01"))
    result = answer.result
    assert result.excluded[NOT_FINITE] == 1 and np.isnan(result.r2_joint[-1]) and not answer.info["simulated"]
    assert result.selected[owner < 2].all() and not result.selected[-1]
    ev = result.explainable_variance
    assert np.nanmean(ev[owner < 2]) > 0.5 and np.nanmedian(ev[owner == 2]) < 0.1
    assert np.mean(result.r2_joint[owner < 2]) > 0.3
    difference = result.r2_split[0] - result.r2_split[1]
    assert np.mean(difference[owner == 0]) > 0.2 and np.mean(difference[owner == 1]) < -0.2


def test_features_are_those_of_the_frames(planted: Planted) -> None:
    """Of the first three TRs, taken directly from the model."""
    for model, X in zip(MODELS, planted.X, strict=True):
        direct = open_model(model, "image").extract(planted.frames[: 3 * PER_TR], lambda *_: None)["cls"][LAYER - 1]
        np.testing.assert_allclose(X[:3], direct.reshape(3, PER_TR, -1).mean(1), rtol=1e-3, atol=1e-4)


def test_pages_find_the_flatmap(planted: Planted) -> None:
    store, name = planted.store, str(planted.folder)
    run_task({"task": "flatmap", "store": str(store.root), "dataset": name, "subject": "S01"}, no_progress)
    facts = stored_facts(store, open_dataset(name, store), "S01")
    geometry = stored_flatmap(store, facts.voxels)
    assert set(geometry.outlines) == {"V1", "FFA"} and facts.timing.n_repeats == N_REPEATS
    assert np.isfinite(to_pixels(geometry, np.ones(len(planted.owner)))).sum() > 100


def test_null_and_listing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    null = open_dataset(f"{folder}@shuffled", store)
    true, shuffled = null.base.stimulus("S01").weights, null.stimulus("S01").weights
    assert (true[:N_TRAIN] != shuffled[:N_TRAIN]).nnz and not (true[N_TRAIN:] != shuffled[N_TRAIN:]).nnz
    monkeypatch.setenv("BRIVL_DATA", str(folder.parent))
    assert [c.title for c in list_datasets(store) if c.name == str(folder)] == ["shortclips (Huth et al. 2012)"]
    with pytest.raises(RequestError, match="Open its dataset, which makes it"):
        make_flatmap(store, null.base.voxels("S01"))


def test_digest_follows_the_files(folder: Path) -> None:
    before = open_shortclips(folder).digest("S01")
    assert open_shortclips(folder).digest("S01") == before != open_shortclips(folder).digest("S04")
    for name in ("responses/S01_responses.hdf", "mappers/S01_mappers.hdf", "stimuli/train_02.hdf"):
        path = folder / name
        kept = path.read_bytes()
        path.write_bytes(kept[:-1] + b"?")
        assert open_shortclips(folder).digest("S01") != before
        path.write_bytes(kept)
    write(folder / "responses" / "S04_responses.hdf", responses_arrays(21, seed=9))
    assert open_shortclips(folder).digest("S01") == before


def test_large_files_are_hashed_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By all processes together: the digest is in the store until the file changes."""
    monkeypatch.setattr(content_digest, "LARGE_BYTES", 0)
    store, path = Store(tmp_path / "store"), folder / "responses" / "S01_responses.hdf"
    read: list[Path] = []
    monkeypatch.setattr(content_digest, "_hashed", lambda p: read.append(p) or f"digest {len(read)}")
    assert [ContentDigest(Store(store.root))(path) for _ in range(3)] == ["digest 1"] * 3 and read == [path]
    path.write_bytes(path.read_bytes() + b" ")
    assert ContentDigest(store)(path) == "digest 2"


def test_two_dimensional_test_set_and_no_mapper(folder: Path) -> None:
    arrays = responses_arrays(20)
    write(folder / "responses" / "S01_responses.hdf", arrays | {"Y_test": arrays["Y_test"].mean(0)})
    (folder / "mappers" / "S01_mappers.hdf").unlink()
    responses = open_shortclips(folder).responses("S01")
    assert responses.Y_test.shape == (1, N_TEST, 20) and "not known" in responses.voxels.space
    assert responses.voxels.flatmap == "slices"


def test_features_stand_in_for_frames(folder: Path, rng: np.random.Generator) -> None:
    shutil.rmtree(folder / "stimuli")
    X = rng.normal(size=(N_TRAIN + N_TEST, 7))
    write(folder / "features" / "wordnet.hdf", {"X_train": X[:N_TRAIN], "X_test": X[N_TRAIN:], "run_onsets": ONSETS})
    d = open_shortclips(folder)
    assert d.models == ("wordnet",) and d.stimulus_kind == "features"
    np.testing.assert_array_equal(d.stimulus("S01").features["wordnet"], X.astype(np.float32))
    write(folder / "features" / "wordnet.hdf", {"X_train": X, "X_test": X[N_TRAIN:]})
    with pytest.raises(DataError, match="wordnet.hdf"):
        d.stimulus("S01")


KEY = "SHA256E-s{size}--0123456789abcdef.hdf"


def unfetched(path: Path, leftover: str) -> None:
    """What git-annex leaves where content is not fetched."""
    path.unlink()
    key = KEY.format(size=123456)
    if leftover == "link":
        path.symlink_to(f"../.git/annex/objects/aa/bb/{key}/{key}")
    else:
        texts = {"pointer": f"/annex/objects/{key}\n", "text": f"../.git/annex/objects/aa/bb/{key}/{key}"}
        path.write_text(texts[leftover])


@pytest.mark.parametrize("leftover", ["link", "pointer", "text"])
def test_what_is_not_fetched_is_named(folder: Path, leftover: str) -> None:
    unfetched(folder / "stimuli" / "train_01.hdf", leftover)
    with pytest.raises(DataError, match=r"not fetched.*datalad get stimuli/train_01.hdf"):
        open_shortclips(folder).stimulus("S01")
    unfetched(folder / "responses" / "S01_responses.hdf", leftover)
    d = open_shortclips(folder)
    assert d.subjects == ("S04",)
    with pytest.raises(DataError, match="datalad get responses/S01_responses.hdf"):
        d.responses("S01")
    unfetched(folder / "mappers" / "S04_mappers.hdf", leftover)
    assert open_shortclips(folder).voxels("S04").flatmap == "slices"
    unfetched(folder / "responses" / "S04_responses.hdf", leftover)
    with pytest.raises(DataError, match="datalad get responses/S01_responses.hdf"):
        open_dataset(str(folder), Store(folder / "cache"))


def test_fetched_links_are_known_by_their_key(folder: Path) -> None:
    path = folder / "responses" / "S01_responses.hdf"
    content = path.read_bytes()
    objects = folder / ".git" / "annex" / "objects"
    objects.mkdir(parents=True)
    path.unlink()
    for size, good in ((len(content), True), (len(content) + 5, False)):
        target = objects / KEY.format(size=size)
        target.write_bytes(content)
        path.unlink(missing_ok=True)
        path.symlink_to(os.path.relpath(target, path.parent))
        d = open_shortclips(folder)
        if good:
            assert d.content(path) == f"annex {target.name}" and d.digest("S01")
        else:
            with pytest.raises(DataError, match="by its annex key"):
                d.digest("S01")
