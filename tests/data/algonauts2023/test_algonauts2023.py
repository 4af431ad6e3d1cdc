"""The form of Algonauts 2023: read as it is published, damaged files end in sentences, nothing is unpickled."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from brivl.core.columns import LazyArray
from brivl.core.encoding.voxel_selection import NOT_FINITE, select_voxels
from brivl.core.simulation.planting import unit_variance
from brivl.data.algonauts2023 import loader
from brivl.data.algonauts2023.files import REGIONS
from brivl.data.algonauts2023.flatmap import vertex_flatmap
from brivl.data.algonauts2023.loader import AlgonautsDataset, open_algonauts
from brivl.data.anatomy.fsaverage5 import load_fsaverage5
from brivl.data.fixtures import fixture_size, write_fixture
from brivl.data.registry import list_datasets, open_dataset
from brivl.data.status import data_reports
from brivl.errors import BrivlError, DataError, RequestError
from brivl.store.artifacts import Store
from tests.support.algonauts_fixture import LEFT, RIGHT, N, write_subject


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_subject(tmp_path / "algonauts", "subj01")
    write_subject(tmp_path / "algonauts", "subj05", seed=1)
    return tmp_path / "algonauts"


def test_what_is_published_is_read(folder: Path, tmp_path: Path) -> None:
    d = open_dataset(str(folder), Store(tmp_path / "cache"))
    assert isinstance(d, AlgonautsDataset) and not d.simulated and d.subjects == ("subj01", "subj05")
    design, responses, stimulus = d.design("subj05"), d.responses("subj05"), d.stimulus("subj05")
    assert design.tr is None and (design.n_train, design.n_test) == (N, 0)
    assert responses.Y_train.shape == (N, LEFT + RIGHT) and responses.Y_test is None
    raw = folder / "subj05" / "training_split" / "training_fmri"
    np.testing.assert_array_equal(responses.Y_train[:, LEFT:], np.load(raw / "rh_training_fmri.npy"))
    assert [path.name for path in stimulus.items][:2] == ["train-0001_nsd-00013.png", "train-0002_nsd-00020.png"]
    assert stimulus.weights.shape == (N, N)
    rois = responses.voxels.rois
    assert set(rois) == {n for k, names in REGIONS.items() if k != "streams" for n in names} | {
        f"{name} stream" for name in REGIONS["streams"]
    }
    label = np.load(folder / "subj05" / "roi_masks" / "rh.floc-faces_challenge_space.npy")
    np.testing.assert_array_equal(rois["FFA-1"][LEFT:], label == 2)
    whole = np.load(folder / "subj05" / "roi_masks" / "rh.floc-faces_fsaverage_space.npy")
    np.testing.assert_array_equal(whole[responses.voxels.ijk[LEFT:, 0]], label)  # vertices are where they should be


def test_large_responses_stay_in_their_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    d = open_algonauts(folder)
    whole = d.responses("subj01").Y_train
    monkeypatch.setattr(loader, "LARGE_BYTES", 1000)
    Y = d.responses("subj01").Y_train
    assert isinstance(Y, LazyArray)
    for columns in (slice(0, LEFT + RIGHT), slice(5, 9), slice(LEFT - 2, LEFT + 3), slice(LEFT, LEFT + 4)):
        np.testing.assert_array_equal(Y[:, columns], whole[:, columns])
    mixed = np.array([LEFT + 5, 3, LEFT - 1])
    np.testing.assert_array_equal(Y[:, mixed], whole[:, mixed])


def test_columns_with_nan_are_counted_and_left_out(folder: Path) -> None:
    path = folder / "subj01" / "training_split" / "training_fmri" / "lh_training_fmri.npy"
    Y = np.load(path)
    Y[3, 7] = np.nan
    np.save(path, Y)
    d = open_algonauts(folder)
    selection = select_voxels(d.responses("subj01"), d.design("subj01"), 0.1)
    assert not selection.selected[7] and selection.selected.sum() == LEFT + RIGHT - 1
    assert selection.excluded == {NOT_FINITE: 1}


def test_pickled_mappings_are_never_opened(folder: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return (tmp_path / "opened").write_text, ("",)

    for path in (folder / "subj01" / "roi_masks").glob("mapping_*.npy"):
        path.write_bytes(pickle.dumps(Evil()))
    responses = open_algonauts(folder).responses("subj01")
    assert "FFA-1" in responses.voxels.rois and not (tmp_path / "opened").exists()
    mask = folder / "subj01" / "roi_masks" / "lh.streams_challenge_space.npy"
    np.save(mask, np.array([Evil()], object), allow_pickle=True)
    with pytest.raises(DataError, match="objects are not read"):
        open_algonauts(folder).responses("subj01")
    assert not (tmp_path / "opened").exists()


FMRI, MASKS, PICTURES = "training_split/training_fmri", "roi_masks", "training_split/training_images"


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def _twice(path: Path) -> None:
    path.rename(path.with_name("train-0003_nsd-09999.png"))


@pytest.mark.parametrize(
    ("name", "harm", "said"),
    [
        (f"{FMRI}/rh_training_fmri.npy", Path.unlink, "got no file"),
        (f"{FMRI}/rh_training_fmri.npy", _cut, "truncated"),
        (f"{FMRI}/rh_training_fmri.npy", lambda p: np.save(p, np.zeros((N - 1, RIGHT))), "both hemispheres"),
        (f"{FMRI}/lh_training_fmri.npy", lambda p: np.save(p, np.zeros(N)), "n_vertices"),
        (f"{FMRI}/lh_training_fmri.npy", lambda p: np.save(p, np.zeros((N, 3))), "got 40 in"),
        (f"{PICTURES}/train-0004_nsd-00034.png", Path.unlink, "got 23"),
        (f"{PICTURES}/train-0004_nsd-00034.png", _twice, "number 4 is missing or there twice"),
        (f"{MASKS}/rh.floc-words_challenge_space.npy", Path.unlink, "Expected the mask"),
        (f"{MASKS}/rh.floc-words_challenge_space.npy", _cut, "truncated"),
        (f"{MASKS}/rh.floc-words_challenge_space.npy", lambda p: np.save(p, np.zeros(RIGHT + 1)), "for each of 30"),
        (f"{MASKS}/rh.floc-places_challenge_space.npy", lambda p: np.save(p, np.full(RIGHT, 4.0)), "from 0 to 3"),
        (f"{MASKS}/rh.floc-places_challenge_space.npy", lambda p: np.save(p, np.full(RIGHT, np.nan)), "from 0 to 3"),
        (f"{MASKS}/lh.all-vertices_fsaverage_space.npy", lambda p: np.save(p, np.ones(7)), "163,842 vertices"),
        (f"{MASKS}/lh.all-vertices_fsaverage_space.npy", Path.unlink, "Expected the mask"),
    ],
)
def test_damage_ends_in_a_sentence(folder: Path, name: str, harm: Callable[[Path], object], said: str) -> None:
    harm(folder / "subj01" / name)
    d = open_algonauts(folder)
    with pytest.raises(DataError, match=said):
        d.design("subj01"), d.responses("subj01"), d.stimulus("subj01")
    with pytest.raises(BrivlError):
        d.digest("subj01"), d.responses("subj01"), d.stimulus("subj01")
    assert d.responses("subj05").Y_train.shape == (N, LEFT + RIGHT)


def test_a_folder_without_responses_is_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "subj01").mkdir()
    with pytest.raises(DataError, match="lh_training_fmri"):
        open_algonauts(tmp_path)
    with pytest.raises(RequestError, match="Expected a subject of the dataset, got 'subj09'"):
        write_subject(tmp_path / "whole")
        open_algonauts(tmp_path / "whole").responses("subj09")


def test_the_digest_follows_what_changes(folder: Path) -> None:
    d = open_algonauts(folder)
    before, other = d.digest("subj01"), d.digest("subj05")
    np.save(folder / "subj01" / MASKS / "rh.floc-places_challenge_space.npy", np.ones(RIGHT, np.float32))
    after = d.digest("subj01")
    picture = folder / "subj01" / PICTURES / "train-0001_nsd-00013.png"
    picture.write_bytes(picture.read_bytes() + b"\0")
    assert len({before, after, d.digest("subj01"), other}) == 4 and d.digest("subj05") == other


def test_vertices_lie_where_they_do_on_fsaverage5() -> None:
    brain = load_fsaverage5()
    vertex = np.r_[np.arange(0, 10_242), np.arange(0, 10_242), [20_000]]
    right = np.r_[np.zeros(10_242, bool), np.ones(10_242, bool), [True]]
    x = np.r_[brain.flat[:, 0], [0.0]]  # shown as a value, places must come out in order
    geometry = vertex_flatmap(vertex, right, {"right": right}, "test", height=120)
    shown = geometry.pixel_to_voxel @ x
    column = np.nonzero(geometry.mask)[1]
    assert np.corrcoef(shown, column)[0, 1] > 0.999
    assert geometry.pixel_to_voxel[:, -1].nnz == 0  # beyond fsaverage5
    assert geometry.labels["right"][0] > geometry.mask.shape[1] / 2
    np.testing.assert_allclose(geometry.pixel_to_voxel.sum(1), 1, atol=1e-6)


def test_a_simulated_folder_is_said_to_be_one_and_holds_its_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "data" / "challenge"
    out.parent.mkdir()
    write_fixture(out, fixture_size("algonauts2023", 1, 300, 60))
    monkeypatch.setenv("BRIVL_DATA", str(out.parent))
    store = Store(tmp_path / "cache")
    card = next(card for card in list_datasets(store) if card.name == str(out))
    assert card.simulated and "imulated" in card.title and "Gifford" not in card.citation and not card.problem
    report = next(report for report in data_reports(store) if report.name == "algonauts2023")
    assert set(report.counts) == {"missing"}  # nothing simulated passes for published
    responses = open_dataset(str(out), store).responses("subj01")
    Y = unit_variance(responses.Y_train)
    shown = [responses.voxels.rois[f"{name} stream"] for name in ("early", "midventral")]
    alike = [np.corrcoef(Y[:, inside].T)[np.triu_indices(inside.sum(), 1)].mean() for inside in shown]
    assert alike[0] > 0.2 > abs(alike[1])


def test_the_published_folder_is_recognised(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIVL_DATA", str(folder))
    report = next(r for r in data_reports(Store(tmp_path / "cache")) if r.name == "algonauts2023")
    assert report.folder == str(folder) and report.counts["present"] == 2 * (2 + 14)
