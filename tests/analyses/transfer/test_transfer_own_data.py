"""Transfer on the user's own files: two tasks of a BIDS folder, and pairs in the form of Flickr30k."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brivl.analyses.transfer.analysis import TRANSFER
from brivl.analyses.transfer.features import pair_stimuli, pairs_digest
from brivl.analyses.transfer.request import MODALITIES, TransferRequest, open_pair
from brivl.analyses.transfer.result import TransferResult
from brivl.analyses.transfer.tables import methods
from brivl.analysis import run
from brivl.core.progress import no_progress
from brivl.data.dataset import Dataset
from brivl.data.phantoms.movie_stimulus import MovieConfig
from brivl.data.phantoms.story_dataset import PhantomStories
from brivl.data.registry import list_datasets, open_dataset
from brivl.data.stimuli.contact_sheet import item_images
from brivl.errors import DataError, RequestError
from brivl.store.artifacts import Store
from tests.support.app_driver import headline, html
from tests.support.bids_fixture import write_events, write_nifti
from tests.support.content_model import use_tiny_stories
from tests.support.subject_pages import open_subject

PHANTOM, TR, N_PAIRS = "phantom-stories:480/60", 2.0, 120


@pytest.fixture(scope="module", autouse=True)
def tiny() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        use_tiny_stories(patch, MovieConfig(n_train=480, n_test=60))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The training runs of a phantom as NIfTI and events, `data/lab` with the tasks listen and watch."""
    root = tmp_path_factory.mktemp("own")
    pair = open_pair(Store(root / "made"), TransferRequest(PHANTOM, "S01"))
    lab = root / "data" / "lab"
    for dataset, task in ((pair.stories, "listen"), (pair.movie, "watch")):
        _write(lab, dataset, task)
    mask = np.ones((pair.stories.responses("S01").voxels.n_voxels, 1, 1), np.uint8)
    write_nifti(lab / "sub-01" / "func" / "sub-01_mask.nii.gz", mask)
    (lab / "dataset_description.json").write_text(json.dumps({"Name": "made", "Simulated": True}))
    return lab


def _write(lab: Path, dataset: Dataset, task: str) -> None:
    stimulus, design = dataset.stimulus("S01"), dataset.design("S01")
    bold = 1000 + 10 * np.asarray(dataset.responses("S01").Y_train)
    item_of_sample = np.asarray(stimulus.weights.argmax(1)).ravel()  # what most of a TR is
    bounds = [*design.run_onsets, design.n_train]
    (lab / "stimuli").mkdir(parents=True, exist_ok=True)
    for number, (start, stop) in enumerate(zip(bounds[:-1], bounds[1:], strict=True), start=1):
        stem = lab / "sub-01" / "func" / f"sub-01_task-{task}_run-{number:02d}"
        write_nifti(stem.with_name(f"{stem.name}_bold.nii.gz"), bold[start:stop].T[:, None, None].astype("f4"), tr=TR)
        rows = []
        for row in range(start, stop):
            at = (TR * (row - start), TR)
            if stimulus.kind == "text":
                rows.append((*at, stimulus.items[item_of_sample[row]]))
            else:
                name = f"frame-{item_of_sample[row]}.png"
                Image.fromarray(item_images(stimulus, item_of_sample[row : row + 1])[0]).save(lab / "stimuli" / name)
                rows.append((*at, name))
        columns = ("onset", "duration", "text" if stimulus.kind == "text" else "stim_file")
        write_events(stem.with_name(f"{stem.name}_events.tsv"), rows, columns)


@pytest.fixture(scope="module")
def transfer_request(folder: Path) -> TransferRequest:
    return TransferRequest(f"{folder}:listen", "sub-01", n_pairs=N_PAIRS, block_s=10)


@pytest.fixture(scope="module")
def result(transfer_request: TransferRequest, folder: Path) -> TransferResult:
    return run(TRANSFER, Store(folder.parents[1] / "cache"), transfer_request)


def test_a_folder_of_two_tasks_is_two_datasets_that_know_each_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BRIVL_DATA", str(folder.parent))
    names = {card.name: card for card in list_datasets(Store(tmp_path)) if card.name.startswith("/")}
    assert list(names) == [f"{folder}:listen", f"{folder}:watch"] and not any(c.problem for c in names.values())
    one, other = (open_dataset(name, Store(tmp_path)) for name in names)
    assert (one.paired_dataset, other.paired_dataset) == (f"{folder}:watch", f"{folder}:listen")
    assert one.digest("sub-01") != other.digest("sub-01")
    with pytest.raises(DataError, match="no task 'sing'"):
        open_dataset(f"{folder}:sing", Store(tmp_path))


def test_what_is_planted_transfers_to_held_out_runs(result: TransferResult, folder: Path) -> None:
    assert "held-out runs" in methods(result) and result.simulated
    pair = open_pair(Store(folder.parents[1] / "made"), TransferRequest(PHANTOM, "S01"))
    assert isinstance(pair.stories, PhantomStories)
    shared = pair.stories.cross_modal_truth("S01").shared[result.voxel_indices]
    for modality in MODALITIES:
        across = result.voxel_r["across", modality]
        assert across[shared].mean() > 0.1 and abs(across[~shared].mean()) < 0.5 * across[shared].mean()


def test_the_page_offers_to_choose_the_other_modality_where_the_dataset_names_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIVL_DATA", str(folder.parent))
    at = open_subject("transfer", f"{folder}:watch", "sub-01")
    assert not at.exception and "Do models of stories predict" in headline(at)
    at = open_subject("transfer", "phantom-movie:120/20", "S01", other="/etc")
    assert not at.exception and "BRIVL_DATA" in at.error[0].value
    at = open_subject("transfer", "phantom-movie:120/20", "S01", other=f"{folder}:listen")
    shown = html(at) + " ".join(e.value for e in [*at.error, *at.info])
    assert not at.exception and "Expected a subject of the dataset, got 'S01'" in shown


def test_pairs_of_files_are_those_that_were_drawn(tmp_path: Path) -> None:
    store, n = Store(tmp_path / "cache"), 60
    images, captions = pair_stimuli(store, ("", n), no_progress)
    (tmp_path / "flickr30k-images").mkdir()
    records = []
    for i in range(n):
        name = f"{i:04d}.png"
        Image.fromarray(np.asarray(images.items[i])).save(tmp_path / "flickr30k-images" / name)
        records.append({"filename": name, "split": "train", "sentences": [{"raw": captions.items[i]}, {"raw": "x"}]})
    listing = tmp_path / "dataset_flickr30k.json"
    listing.write_text(json.dumps({"images": records, "dataset": "flickr30k"}))
    own_images, own_captions = pair_stimuli(store, (str(listing), n), no_progress)
    assert list(own_captions.items) == list(captions.items)
    large = item_images(own_images, np.arange(n)).astype(float)  # files are read at a model's size
    size = large.shape[1] // 64
    small = large.reshape(n, 64, size, 64, size, 3).mean((2, 4))
    assert np.abs(small - np.asarray(images.items)).mean() < 3
    assert pairs_digest(str(listing), n) != pairs_digest("", n)
    with pytest.raises(RequestError, match="found 60"):
        pairs_digest(str(listing), n + 1)


def test_a_dataset_without_the_subject_ends_in_a_sentence(transfer_request: TransferRequest, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="Expected a subject of the dataset"):
        run(TRANSFER, Store(tmp_path), replace(transfer_request, other="phantom-movie:120/20"))
