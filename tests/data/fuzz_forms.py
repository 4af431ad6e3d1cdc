"""The forms in which data come: how the tests make a small one, read all of it, and in which ways it may be wrong."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.data.fuzz_bytes import Change, damaged, lying_hdf5, lying_nifti, lying_npy, lying_npz, npy, other_arrays
from tests.data.fuzz_texts import CELLS, lying_json, lying_mat, lying_table


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

CONFOUNDS = "derivatives/fmriprep/sub-01/ses-1/func/sub-01_ses-1_task-read_run-{}_desc-confounds_timeseries.tsv"


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


def make_fmriprep_form(folder: Path) -> Path:
    """A raw folder and its derivatives, with the columns that the default cleaning needs."""
    from tests.support.fmriprep_fixture import MOTION, confounds, make_fmriprep, write_confounds

    make_fmriprep(folder, n_runs=2, n=24)
    for run in (1, 2):
        table = confounds(np.random.default_rng(run), 24, 1)
        needed = (*MOTION, "csf", "white_matter", "framewise_displacement", "non_steady_state_outlier00")
        write_confounds(folder / CONFOUNDS.format(run), {name: table[name] for name in needed})
    return folder


def fmriprep_changes(folder: Path, rng: np.random.Generator) -> Iterator[Change]:
    path = folder / CONFOUNDS.format(2)
    yield from damaged(path, rng, 15)
    yield from lying_table(path)
    about = folder / "derivatives/fmriprep/dataset_description.json"
    yield from damaged(about, rng, 5)
    yield from lying_json(about)


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


# fMRIPrep: confounds


def make_derivatives(folder: Path) -> Path:
    from tests.support.fmriprep_fixture import make_fmriprep

    make_fmriprep(folder, n_runs=2, n=20, n_dummy=1)
    return folder


def read_derivatives(folder: Path) -> None:
    """With confounds regressed out, which the default decides by the data."""
    from brivl.data.bids.loader import open_bids

    data = open_bids(folder, options={"space": "T1w", "clean": "basic"})
    read_dataset(data, "sub-01")
    assert all(isinstance(note, str) and note.endswith(".") for note in data.reading("sub-01").notes)


def confound_changes(folder: Path, rng: np.random.Generator) -> Iterator[Change]:
    func = folder / "derivatives/fmriprep/sub-01/ses-1/func"
    (table,) = func.glob("*_run-2_desc-confounds_timeseries.tsv")
    yield from damaged(table, rng, 15)
    names, *rows = [line.split("\t") for line in table.read_text().splitlines()]
    motion = [
        names.index(name) for name in ("trans_x", "rot_z", "framewise_displacement", "non_steady_state_outlier00")
    ]

    def said(changed: list[list[str]]) -> bytes:
        return "".join("\t".join(row) + "\n" for row in changed).encode()

    for k in motion:
        for cell in CELLS:
            yield f"{names[k]} = {cell!r}", table, said([names, [*rows[0][:k], cell, *rows[0][k + 1 :]], *rows[1:]])
        without = [row[:k] + row[k + 1 :] for row in (names, *rows)]
        yield f"without {names[k]}", table, said(without)
        yield f"{names[k]} all n/a", table, said([names, *([*row[:k], "n/a", *row[k + 1 :]] for row in rows)])
    yield "all n/a", table, said([names, *(["n/a"] * len(names) for _ in rows)])
    yield "one row less", table, said([names, *rows[:-1]])
    yield "twice as many rows", table, said([names, *rows, *rows])
    yield "other names", table, said([[f"x{k}" for k in range(len(names))], *rows])
    yield "old names", table, said([[name.upper() for name in names], *rows])
    yield "no rows", table, said([names])
    (sidecar,) = func.glob("*_run-2_space-T1w_desc-preproc_bold.json")
    yield from damaged(sidecar, rng, 5)


# Single-trial estimates, parcels, atlases and tables of labels


def make_beta_form(folder: Path) -> Path:
    import h5py

    rng = np.random.default_rng(0)
    values = rng.normal(size=(24, 6)).astype(np.float32)
    (folder / "betas").mkdir(parents=True)
    np.save(folder / "betas/A.npy", values)
    with h5py.File(folder / "betas/B.h5", "w") as file:
        file["betas"] = values
    (folder / "betas/C.tsv").write_text("\n".join("\t".join(map(str, row)) for row in values.tolist()))
    write_volumes(folder / "betas/D.nii.gz", values.T.reshape(3, 2, 1, 24))
    rows = [f"item {i % 12} of all\t{1 + i // 12}" for i in range(24)]
    (folder / "trials.tsv").write_text("\n".join(["sentence\tsession", *rows]) + "\n")
    (folder / "dataset.json").write_text(json.dumps({"space": "native", "simulated": True}))
    return folder


def write_volumes(path: Path, values: np.ndarray) -> None:
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([3.0, 3.0, 3.0, 1.0])), path)


def beta_changes(folder: Path, rng: np.random.Generator) -> Iterator[Change]:
    betas = folder / "betas"
    yield from damaged(betas / "A.npy", rng, 8)
    yield from lying_npy(betas / "A.npy")
    for what, changed in other_arrays(np.load(betas / "A.npy")).items():
        yield what, betas / "A.npy", npy(changed)
    yield from lying_hdf5(betas / "B.h5", folder.parent / "scratch.h5")
    yield from damaged(betas / "B.h5", rng, 8)
    yield from damaged(betas / "C.tsv", rng, 8)
    yield from lying_table(betas / "C.tsv")
    yield from damaged(betas / "D.nii.gz", rng, 8)
    yield from lying_nifti(betas / "D.nii.gz")
    yield from damaged(folder / "trials.tsv", rng, 8)
    yield from lying_table(folder / "trials.tsv")


def make_parcel_form(folder: Path) -> Path:
    """Four parcels with an image and a table, and an atlas and a mask beside voxels of another subject's folder."""
    from tests.data.plain.test_parcels import make_parcels

    make_parcels(folder / "parcels", "native")
    plain = make_plain_form(folder / "plain")
    labels = np.zeros((20, 20, 20), np.int16)
    labels[:5], labels[5:12] = 1, 2
    write_volumes(plain / "atlases/own.nii.gz", labels)
    write_volumes(plain / "rois/front.nii.gz", (labels == 1).astype(np.uint8))
    (plain / "atlases/own.tsv").write_text("index\tname\tcolor\n1\tfirst\t#fff\n2\tsecond\t#000\n")
    with np.load(plain / "voxels/A.npz") as whole:
        places = dict(whole) | {"affine": np.diag([3.0, 3.0, 3.0, 1.0])}
    np.savez(plain / "voxels/A.npz", **places)
    return folder


def read_parcels(folder: Path) -> None:
    """Parcels are refused where they do not fit; atlases and masks are left out with a note that ends as a sentence."""
    from brivl.data.anatomy.label_tables import read_label_table
    from brivl.data.registry import open_folder

    read_dataset(open_folder(folder / "parcels"), "s1")
    data = open_folder(folder / "plain")
    voxels = data.responses("A").voxels
    assert all(len(one.labels) == voxels.n_voxels for one in voxels.parcellations.values())
    assert all(inside.any() for inside in voxels.rois.values())
    for note in data.reading("A").notes:
        assert 20 < len(note) < 2000 and note.endswith(".") and "\n" not in note
    assert all(isinstance(name, str) and name for name in read_label_table(folder / "plain/atlases/own.tsv").values())


def parcel_changes(folder: Path, rng: np.random.Generator) -> Iterator[Change]:
    for path in (folder / "parcels/parcels.nii.gz", folder / "plain/atlases/own.nii.gz"):
        yield from damaged(path, rng, 8)
        yield from lying_nifti(path)
    yield from damaged(folder / "plain/rois/front.nii.gz", rng, 6)
    for path in (folder / "parcels/parcels.tsv", folder / "plain/atlases/own.tsv"):
        yield from damaged(path, rng, 8)
        yield from lying_table(path)


# Surfaces: GIfTI and CIFTI


def make_surfaces(folder: Path) -> Path:
    from tests.support import surface_files as files

    rng = np.random.default_rng(0)
    files.write_series(folder / "a.func.gii", rng.normal(size=(6, 40)), "L", 2.0)
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
    files.write_mesh(folder / "a.surf.gii", rng.normal(size=(4, 3)), faces)
    files.write_labels(folder / "a.label.gii", np.array([0, 1, 1, 2]), {0: "?", 1: "V1", 2: "V2"})
    axis = files.small_axis()
    files.write_dense(folder / "a.dtseries.nii", rng.normal(size=(6, len(axis))), axis)
    return folder


def read_surfaces(folder: Path) -> None:
    from brivl.data.formats import cifti, gifti_reading

    gifti_reading.scan_series(folder / "a.func.gii")
    assert gifti_reading.read_series(folder / "a.func.gii").ndim == 2
    points, faces = gifti_reading.read_mesh(folder / "a.surf.gii")
    assert np.isfinite(points).all() and faces.min() >= 0 and faces.max() < len(points)
    labels, names = gifti_reading.read_labels(folder / "a.label.gii")
    assert labels.ndim == 1 and all(isinstance(name, str) for name in names.values())
    where = cifti.read_grayordinates(folder / "a.dtseries.nii")
    cifti.scan_dense_series(folder / "a.dtseries.nii")
    assert cifti.read_dense_series(folder / "a.dtseries.nii").shape[1] == len(where.structure)


def surface_changes(folder: Path, rng: np.random.Generator) -> Iterator[Change]:
    for name in ("a.func.gii", "a.surf.gii", "a.label.gii"):
        path = folder / name
        yield from damaged(path, rng, 12)
        text = path.read_bytes()
        for old, new in XML_LIES:
            if old in text:
                yield f"{old.decode()} as {new[:20].decode('latin-1')}", path, text.replace(old, new, 1)
    path = folder / "a.dtseries.nii"
    yield from damaged(path, rng, 30)
    text = path.read_bytes()
    for old, new in XML_LIES:
        if old in text and len(old) >= len(new):  # the length of CIFTI's header stands before it
            yield f"{old.decode()} as {new.decode('latin-1')}", path, text.replace(old, new.ljust(len(old)), 1)


XML_LIES = (
    (b'Dim0="', b'Dim0="9'),
    (b'Dim0="', b'Dim0="-'),
    (b'Dim0="', b'Dim0="99999999999'),
    (b'Dimensionality="1"', b'Dimensionality="9"'),
    (b"GZipBase64Binary", b"ExternalFileBinary"),
    (b"GZipBase64Binary", b"ASCII"),
    (b"Base64Binary", b"Unknown"),
    (b"LittleEndian", b"BigEndian"),
    (b"NIFTI_TYPE_FLOAT32", b"NIFTI_TYPE_UINT8"),
    (b"NIFTI_TYPE_FLOAT32", b"NIFTI_TYPE_NONE"),
    (b"NIFTI_TYPE_INT32", b"NIFTI_TYPE_FLOAT32"),
    (b"NIFTI_INTENT_TIME_SERIES", b"NIFTI_INTENT_POINTSET"),
    (b"NIFTI_INTENT_POINTSET", b"NIFTI_INTENT_LABEL"),
    (b"NIFTI_INTENT_LABEL", b"NIFTI_INTENT_NONE"),
    (b"<?xml", b'<!DOCTYPE a [<!ENTITY b "c">]><?xml'),
    (b"</GIFTI>", b""),
    (b'Key="1"', b'Key="x"'),
    (b'SurfaceNumberOfVertices="10"', b'SurfaceNumberOfVertices="1"'),
    (b'SurfaceNumberOfVertices="10"', b'SurfaceNumberOfVertices="x"'),
    (b'IndexCount="3"', b'IndexCount="9"'),
    (b'IndexOffset="0"', b'IndexOffset="7"'),
    (b"<VertexIndices>0 2 3", b"<VertexIndices>0 2 2"),
    (b"<VertexIndices>0 2 3", b"<VertexIndices>0 2 9"),
    (b"<VertexIndices>0 2 3", b"<VertexIndices>x"),
    (b"CIFTI_STRUCTURE_CORTEX_LEFT", b"CIFTI_STRUCTURE_NOSE"),
    (b"CIFTI_MODEL_TYPE_SURFACE", b"CIFTI_MODEL_TYPE_VOXELS"),
    (b"CIFTI_INDEX_TYPE_BRAIN_MODELS", b"CIFTI_INDEX_TYPE_PARCELS"),
    (b"CIFTI_INDEX_TYPE_SERIES", b"CIFTI_INDEX_TYPE_LABELS"),
    (b'SeriesUnit="SECOND"', b'SeriesUnit="HERTZ"'),
    (b'SeriesStep="2', b'SeriesStep="x'),
    (b'Version="2"', b'Version="9"'),
)


FORMS = {
    "plain": Form(make_plain_form, read_plain, plain_changes),
    "bids": Form(make_bids_form, read_bids, bids_changes),
    "fmriprep": Form(make_fmriprep_form, read_bids, fmriprep_changes),
    "shortclips": Form(make_movies, read_movies, movie_changes),
    "pereira2018-A": Form(make_sentences("A"), read_sentences, sentence_changes),
    "pereira2018-B": Form(make_sentences("B"), read_sentences, sentence_changes),
    "algonauts2023": Form(make_challenge, read_challenge, challenge_changes),
    "confounds": Form(make_derivatives, read_derivatives, confound_changes),
    "betas": Form(make_beta_form, read_plain, beta_changes),
    "parcels": Form(make_parcel_form, read_parcels, parcel_changes),
    "surfaces": Form(make_surfaces, read_surfaces, surface_changes),
    "listings": Form(make_listings, read_listings, listing_changes),
}
