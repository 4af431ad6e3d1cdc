"""The forms in which data come: how the tests make a small one, read all of it, and in which ways it may be wrong."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.data.fuzz_bytes import Change, damaged, lying_hdf5, lying_nifti, lying_npy, lying_npz, npy, other_arrays
from tests.data.fuzz_texts import lying_json, lying_mat, lying_table


@dataclass(frozen=True)
class Form:
    """`read` reads everything and asserts that it adds up; `changes` are many, of which some are drawn for a test."""

    make: Callable[[Path], Path]
    read: Callable[[Path], None]
    changes: Callable[[Path, np.random.Generator], Iterator[Change]]


def read_dataset(data: object, subject: str) -> None:
    """All answers of a dataset, as a fit takes them."""
    design, stimulus, responses = data.design(subject), data.stimulus(subject), data.responses(subject)
    n_samples, voxels = design.n_train + design.n_test, responses.voxels
    assert design.n_train > 0 and design.n_test >= 0 and design.run_onsets[0] == 0
    assert (np.diff(design.run_onsets) > 0).all() and design.run_onsets[-1] < design.n_train
    assert stimulus.weights.shape[0] == n_samples or stimulus.kind == "features"
    assert all(X.shape[-2] == n_samples and np.isfinite(X).all() for X in stimulus.features.values())
    assert responses.Y_train.shape == (design.n_train, voxels.n_voxels) and voxels.n_voxels > 0
    assert responses.Y_train[:, :].dtype.kind == "f"
    assert responses.Y_test is None or responses.Y_test.shape[1:] == (design.n_test, voxels.n_voxels)
    assert (voxels.ijk >= 0).all() and (voxels.ijk < voxels.shape).all()
    assert all(inside.shape == (voxels.n_voxels,) for inside in voxels.rois.values())
    assert design.tr is None or 0.01 < design.tr < 100
    for said in (data.title, data.licence, data.citation, *data.subjects):
        assert isinstance(said, str) and said.encode() is not None
    assert len(data.digest(subject)) == 64


# A folder of plain arrays


def make_plain_form(folder: Path) -> Path:
    """Subject A as .npy, B as .npz with repeats of a test; places, labels and a region of A's voxels."""
    from tests.support.plain_sample import LENGTH, N_RUNS, N_VOXELS, make_plain

    make_plain(folder, {"tr": 2.0, "n_test": 0, "citation": "none", "simulated": True})
    (folder / "voxels").mkdir()
    places = {"ijk": np.stack([np.arange(N_VOXELS)] * 3, 1), "shape": np.array([20, 20, 20]), "affine": np.eye(4)}
    np.savez(folder / "voxels" / "A.npz", **places, aal=np.arange(N_VOXELS), roi_front=np.arange(N_VOXELS) < 4)
    Y = np.load(folder / "responses" / "A.npy")
    np.savez_compressed(folder / "responses" / "B.npz", Y_train=Y)
    assert len(Y) == N_RUNS * LENGTH
    return folder


def read_plain(folder: Path) -> None:
    from brivl.data.registry import open_folder

    data = open_folder(folder)
    for subject in data.subjects:
        read_dataset(data, subject)


def plain_changes(folder: Path, rng: np.random.Generator) -> Iterator[Change]:
    arrays = [
        folder / "responses" / "A.npy",
        folder / "features" / "other.npy",
        folder / "run_onsets.npy",
        folder / "groups.npy",
    ]
    for path in arrays:
        yield from damaged(path, rng, 8)
        yield from lying_npy(path)
        for what, changed in other_arrays(np.load(path)).items():
            yield what, path, npy(changed)
    for path, bomb in ((folder / "responses" / "B.npz", "Y_train"), (folder / "voxels" / "A.npz", "ijk")):
        yield from damaged(path, rng, 15)
        yield from lying_npz(path, bomb)
    yield from damaged(folder / "dataset.json", rng, 8)
    yield from lying_json(folder / "dataset.json")


# BIDS


def make_bids_form(folder: Path) -> Path:
    from tests.support.bids_fixture import make_bids

    make_bids(folder, n_runs=2)
    (folder / "dataset_description.json").write_text(
        json.dumps({"Name": "x", "License": "CC0", "Authors": ["A"], "BIDSVersion": "1.8.0"})
    )
    return folder


def read_bids(folder: Path) -> None:
    from brivl.data.bids.loader import open_bids

    data = open_bids(folder)
    for subject in data.subjects:
        read_dataset(data, subject)


def bids_changes(folder: Path, rng: np.random.Generator) -> Iterator[Change]:
    func = folder / "sub-01" / "func"
    for path in (func / "sub-01_task-view_run-02_bold.nii.gz", func / "sub-01_task-view_mask.nii.gz"):
        yield from damaged(path, rng, 15)
        yield from lying_nifti(path)
    events = func / "sub-01_task-view_run-01_events.tsv"
    yield from damaged(events, rng, 10)
    yield from lying_table(events)
    for path in (func / "sub-01_task-view_bold.json", folder / "dataset_description.json"):
        yield from damaged(path, rng, 5)
        yield from lying_json(path)


# HDF5: shortclips


def make_movies(folder: Path) -> Path:
    from tests.support.shortclips_fixture import make_shortclips

    return make_shortclips(folder)


def read_movies(folder: Path) -> None:
    from brivl.data.shortclips.loader import open_shortclips

    data = open_shortclips(folder)
    read_dataset(data, "S01")
    n_voxels = data.voxels("S01").n_voxels
    assert data.stimulus("S01").items[10:20].dtype == np.uint8
    if data.voxels("S01").flatmap == "mapper":
        geometry = data.flatmap("S01")
        assert geometry.pixel_to_voxel.shape == (geometry.mask.sum(), n_voxels)


def movie_changes(folder: Path, rng: np.random.Generator) -> Iterator[Change]:
    scratch = folder.parent / "scratch.hdf"
    for name in ("responses/S01_responses.hdf", "mappers/S01_mappers.hdf", "stimuli/train_01.hdf"):
        yield from lying_hdf5(folder / name, scratch)


# MATLAB: Pereira 2018, both generations


def make_sentences(generation: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        from tests.support.pereira_fixture import make_brain, write_subject

        write_subject(folder, "P01", np.random.default_rng(0).standard_normal((8, 40)), make_brain(40), generation)
        return folder

    return make


def read_sentences(folder: Path) -> None:
    from brivl.data.pereira2018.loader import open_pereira

    read_dataset(open_pereira(folder), "P01")


def sentence_changes(folder: Path, rng: np.random.Generator) -> Iterator[Change]:
    (path,) = folder.glob("P01/*.mat")
    yield from lying_mat(path)


# Algonauts 2023: .npy files and pictures


def make_challenge(folder: Path) -> Path:
    from tests.support.algonauts_fixture import write_subject

    write_subject(folder)
    return folder


def read_challenge(folder: Path) -> None:
    from brivl.data.registry import open_folder

    read_dataset(open_folder(folder), "subj01")


def challenge_changes(folder: Path, rng: np.random.Generator) -> Iterator[Change]:
    subject = folder / "subj01"
    responses, masks = subject / "training_split" / "training_fmri", subject / "roi_masks"
    for path in (
        responses / "rh_training_fmri.npy",
        masks / "lh.floc-faces_challenge_space.npy",
        masks / "rh.all-vertices_fsaverage_space.npy",
    ):
        yield from damaged(path, rng, 8)
        yield from lying_npy(path)
        for what, changed in other_arrays(np.load(path)).items():
            yield what, path, npy(changed)


# Listings of pairs: JSON, lines of JSON, tables, CSV, tar


def make_listings(folder: Path) -> Path:
    """Every form of a listing, each in a folder of its own."""
    from tests.data.pairs import test_karpathy, test_pairs

    for make in (test_pairs.jsonl, test_pairs.tsv_with_header, test_pairs.coco):
        make(folder / make.__name__)
    entries = [test_karpathy.coco_entry(1, "train", "A dog.", "Two."), test_karpathy.coco_entry(2, "test", "A cat.")]
    test_karpathy.written(_made(folder / "karpathy"), {"images": entries, "dataset": "coco"})
    frames = _made(folder / "videos" / "frames" / "video1")
    (frames / "00001.jpg").write_bytes(b"not looked at")
    with (folder / "videos" / "MSRVTT_JSFUSION_test.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["key", "vid_key", "video_id", "sentence"], ["ret0", "v1", "video1", "a dog runs"]])
    videos = {"sentences": [{"video_id": "video1", "caption": "a dog runs", "sen_id": 0}]}
    (folder / "videos" / "MSRVTT_data.json").write_text(json.dumps(videos))
    return folder


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def read_listings(folder: Path) -> None:
    from brivl.data.pairs.karpathy import read_karpathy
    from brivl.data.pairs.msrvtt import find_video_list, read_videos
    from brivl.data.pairs.registry import open_pairs

    for name in ("jsonl", "tsv_with_header", "coco"):
        for pair in open_pairs(folder / name).pairs:
            assert pair.caption.strip() and pair.caption.encode() and pair.location.file.is_file()
    for image in read_karpathy(folder / "karpathy" / "dataset_coco.json"):
        assert image.captions and all(caption.encode() for caption in image.captions)
    find_video_list(folder / "videos")
    for listing in ("MSRVTT_JSFUSION_test.csv", "MSRVTT_data.json"):
        for video in read_videos(folder / "videos" / listing).videos:
            assert video.sentences and all(said.encode() for said in video.sentences)
            assert all(frame.is_relative_to(folder / "videos") for frame in video.frames)


def listing_changes(folder: Path, rng: np.random.Generator) -> Iterator[Change]:
    for path in (
        folder / "karpathy" / "dataset_coco.json",
        folder / "videos" / "MSRVTT_data.json",
        folder / "coco" / "annotations" / "captions_train2014.json",
    ):
        yield from damaged(path, rng, 5)
        yield from lying_json(path)
    lines = folder / "jsonl" / "captions.jsonl"
    yield from damaged(lines, rng, 5)
    first, *rest = lines.read_text().splitlines()
    lines.write_text(first)
    for what, path, content in list(lying_json(lines)):
        yield what, path, b"\n".join([content, *(line.encode() for line in rest)])
    lines.write_text("\n".join([first, *rest]))
    for path, mark in (
        (folder / "tsv_with_header" / "captions.tsv", "\t"),
        (folder / "videos" / "MSRVTT_JSFUSION_test.csv", ","),
    ):
        yield from damaged(path, rng, 5)
        yield from lying_table(path, mark)


FORMS = {
    "plain": Form(make_plain_form, read_plain, plain_changes),
    "bids": Form(make_bids_form, read_bids, bids_changes),
    "shortclips": Form(make_movies, read_movies, movie_changes),
    "pereira2018-A": Form(make_sentences("A"), read_sentences, sentence_changes),
    "pereira2018-B": Form(make_sentences("B"), read_sentences, sentence_changes),
    "algonauts2023": Form(make_challenge, read_challenge, challenge_changes),
    "listings": Form(make_listings, read_listings, listing_changes),
}
