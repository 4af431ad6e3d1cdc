"""Bundles: every file against the stored answer it comes from, and the same bytes for the same run."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
import zipfile
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from PIL import Image
from pptx import Presentation

from brivl.data.formats.statmap import nifti_bytes
from brivl.errors import DataError
from brivl.sharing.bundle import bundle_bytes
from brivl.sharing.citations import tex
from brivl.sharing.figure_record import FigureRecord
from brivl.sharing.fingerprints import Fingerprint, fingerprint, parse_fingerprint, what_changed
from brivl.store.archives import zip_bytes
from brivl.store.artifacts import Store
from tests.support.app_samples import SENTENCES, sample_voxels
from tests.support.sharing_samples import figure_of, stored

R2_COLUMNS = ("r2_joint", "r2_split_a", "r2_split_b")


def unpacked(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


Made = tuple[Store, FigureRecord, dict[str, bytes]]
_made: list[Made] = []  # by the first test that asks; its cache folder outlives it


@pytest.fixture
def made() -> Made:
    if not _made:
        store = stored()
        record = figure_of(store)
        _made.append((store, record, unpacked(bundle_bytes(store, record))))
    store, record, files = _made[0]
    return store, record, dict(files)


def test_manifest_digests_every_other_file(made) -> None:
    _, record, files = made
    manifest = json.loads(files["manifest.json"])
    assert set(manifest["files"]) == set(files) - {"manifest.json"}
    for name, said in manifest["files"].items():
        assert said == {"sha256": hashlib.sha256(files[name]).hexdigest(), "bytes": len(files[name])}
    assert manifest["simulated"] is True and manifest["label"] == "SIMULATED DATA"
    (fit,) = manifest["fits"]
    result = record.evidence.answers[8, "S01"].result
    assert fit["mean_r2_joint"] == pytest.approx(np.nanmean(result.r2_joint), abs=1e-7)
    assert fit["n_voxels_selected"] == result.selected.sum()
    assert manifest["versions"]["numpy"] == np.__version__
    assert manifest["link"].startswith("/flatmap?") and "result=" in manifest["link"]


def test_csv_and_maps_hold_the_stored_numbers(made) -> None:
    _, record, files = made
    result, voxels = record.evidence.answers[8, "S01"].result, record.evidence.facts["S01"].voxels
    wanted = {name: part for name, part in zip(R2_COLUMNS, (result.r2_joint, *result.r2_split), strict=True)}
    rows = list(csv.DictReader(io.StringIO(files["simulated_flatmap_joint_layer08_S01.csv"].decode())))
    assert len(rows) == result.selected.sum()
    for row in rows:
        for name, part in wanted.items():
            assert float(row[name]) == part[int(row["voxel"])]
        assert row["simulated"] == "True"
    names = [name for name in files if name.endswith(".nii.gz")]
    assert len(names) == 3
    for name, what in zip(R2_COLUMNS, ("Joint", "A", "B"), strict=True):
        (path,) = [n for n in names if re.search(rf"desc-simulatedLayer08{what}_statmap", n)]
        image = nibabel.Nifti1Image.from_bytes(gzip.decompress(files[path]))
        mm = np.c_[voxels.ijk, np.ones(voxels.n_voxels)] @ voxels.affine.T
        places = np.rint(mm @ np.linalg.inv(image.affine).T)[:, :3].astype(int)
        np.testing.assert_array_equal(image.get_fdata()[tuple(places.T)], wanted[name].astype(np.float32))
        sidecar = json.loads(files[path.replace(".nii.gz", ".json")])
        assert sidecar["Simulated"] is True and sidecar["Layer"] == 8 and sidecar["Subject"] == "S01"
        assert re.fullmatch(r"maps/sub-S01/sub-S01(_[a-z]+-[A-Za-z0-9]+)+_statmap\.nii\.gz", path)


def test_pycortex_grid_is_turned_to_xyz_in_the_file(rng: np.random.Generator) -> None:
    """The grid of S1 is indexed (z, y, x): every value stands in the file where its place in mm says."""
    ijk = np.unravel_index(rng.choice(4 * 5 * 6, 30, replace=False), (4, 5, 6))
    affine = np.array([[0, 0.1, 2.2, -50], [0.05, 2.2, 0.1, -60], [4.1, 0, 0.02, -30], [0, 0, 0, 1.0]])
    voxels = replace(
        sample_voxels(1, "image"), ijk=np.stack(ijk, 1), shape=(4, 5, 6), affine=affine, rois={}, flatmap="pycortex-S1"
    )
    values = rng.standard_normal(30).astype(np.float32)
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(nifti_bytes(voxels, values)))
    assert image.shape == (6, 5, 4)
    mm = nibabel.affines.apply_affine(affine, voxels.ijk)
    places = np.rint(nibabel.affines.apply_affine(np.linalg.inv(image.affine), mm)).astype(int)
    np.testing.assert_array_equal(image.get_fdata()[tuple(places.T)], values)
    assert np.isnan(image.get_fdata()).sum() == 4 * 5 * 6 - 30


def test_no_place_no_map() -> None:
    voxels = sample_voxels(5, "features")
    with pytest.raises(DataError, match="affine"):
        nifti_bytes(voxels, np.zeros(5))


def test_figures_are_what_they_are_called(made) -> None:
    files = made[2]
    stem = "simulated_flatmap_joint_layer08_S01"
    picture = Image.open(io.BytesIO(files[f"{stem}.png"]))
    assert np.rint(picture.info["dpi"]).tolist() == [300, 300] and picture.size[0] == round(7.1 * 300)
    svg = files[f"{stem}.svg"].decode()
    assert "simulated</text>" in svg and svg.count("<text") > 5
    pdf = files[f"{stem}.pdf"]
    assert pdf.startswith(b"%PDF") and b"/Type0" in pdf or b"/TrueType" in pdf
    assert b"CreationDate" not in pdf


def test_slide_has_title_picture_notes_and_label(made) -> None:
    _, record, files = made
    deck = Presentation(io.BytesIO(files["simulated_flatmap_joint_layer08_S01.pptx"]))
    (slide,) = deck.slides
    assert slide.shapes.title.text_frame.text == record.label.headline
    (picture,) = [shape for shape in slide.shapes if shape.shape_type == 13]
    assert picture.image.content_type == "image/png"
    assert picture.left >= 0 and picture.top + picture.height <= deck.slide_height
    texts = [shape.text_frame.text for shape in slide.shapes if shape.has_text_frame]
    assert "SIMULATED DATA" in texts
    notes = slide.notes_slide.notes_text_frame.text
    assert notes.startswith("SIMULATED DATA. ") and "banded ridge regression" in notes and "240 training" in notes
    assert "/flatmap?" in notes


def test_methods_come_with_the_works_they_cite(made) -> None:
    files = made[2]
    text, bib = files["methods.tex"].decode(), files["methods.bib"].decode()
    cited = re.search(r"\\cite\{(.*?)\}", text)[1].split(",")
    assert cited and {f"@article{{{key}," in bib for key in cited} == {True}
    assert bib.count("@article") == len(cited)
    assert "R\\textsuperscript{2}" in text and "²" not in text and "α" not in text
    assert files["methods.md"].decode().startswith("SIMULATED DATA. ")


def test_tex_escapes_each_sign_once() -> None:
    assert tex("50% of $x_1 & {y} \\ ~") == r"50\% of \$x\_1 \& \{y\} \textbackslash{} \textasciitilde{}"


def test_same_run_same_bytes(made) -> None:
    store, _, files = made
    content = bundle_bytes(store, figure_of(store))
    again = unpacked(content)
    assert [name for name in files if files[name] != again[name]] == []
    assert content == zip_bytes(files)  # no date of today in the zip file itself


def test_other_numbers_other_digest_and_link(made) -> None:
    _, record, files = made
    other = figure_of(stored(subjects=("S02",)), subjects=("S02",))
    assert (
        other.link != record.link
        and fingerprint(other.evidence.answers).digest != fingerprint(record.evidence.answers).digest
    )


@pytest.mark.parametrize("page", ["layers", "regions"])
def test_other_pages_of_sentences(page: str) -> None:
    store = stored(SENTENCES, (5,), ("P01", "M02"))
    record = figure_of(store, page, SENTENCES, layers=(5,), subjects=("P01", "M02"))
    files = unpacked(bundle_bytes(store, record))
    assert sum(name.endswith(".nii.gz") for name in files) == 6
    assert "tzourio2002" in files["methods.bib"].decode() and "wang2020" in files["methods.bib"].decode()
    (table,) = [files[name].decode() for name in files if name.endswith(".csv")]
    rows = list(csv.DictReader(io.StringIO(table)))
    if page == "layers":
        means = {row["subject"]: float(row["r2_joint"]) for row in rows}
        assert means == {
            s: pytest.approx(float(np.nanmean(record.evidence.answers[5, s].result.r2_joint))) for s in ("P01", "M02")
        }
    else:
        assert {row["unit"] for row in rows} == {"subject"} and {row["n"] for row in rows} <= {"1", "2"}


@pytest.mark.parametrize("text", ["", "x", "zz" * 5 + "-1-0.1", "0" * 10 + "-x-0.1", "0" * 10 + "-1-nan", "-" * 30])
def test_nonsense_in_a_link_is_no_digest(text: str) -> None:
    assert parse_fingerprint(text) is None


def test_what_a_link_says_of_its_numbers() -> None:
    before = Fingerprint("0123456789", 1, 0.08123)
    assert parse_fingerprint(before.text) == before
    assert what_changed(before, before) == ""
    assert "was 0.0812 and is 0.0912" in what_changed(before, Fingerprint("a" * 10, 1, 0.0912))
    assert "agree on average" in what_changed(before, Fingerprint("a" * 10, 1, 0.08125))
    of_analyses = [Fingerprint(digit * 10, 1, 0.0) for digit in "ab"]
    assert what_changed(*of_analyses) == "The numbers behind this link have changed since it was made."
    assert "it showed 1 fit; now there are 3" in what_changed(before, Fingerprint("a" * 10, 3, 0.2))
