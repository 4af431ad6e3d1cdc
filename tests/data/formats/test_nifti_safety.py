"""Broken and hostile image files become a sentence, and take no memory."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from pathlib import Path

import nibabel
import numpy as np
import pytest

from brivl.data.bids.loader import open_bids
from brivl.data.formats.nifti import header_tr, iter_volumes, open_bold, open_nifti, read_mask, volume_count
from brivl.errors import DataError
from tests.support.bids_fixture import make_bids, noise, write_nifti

BOLD = "sub-01/func/sub-01_task-view_run-02_bold.nii.gz"


def _claim(path: Path, dims: tuple[int, int, int, int]) -> Path:
    """A file of a few hundred bytes whose header claims a grid of `dims`."""
    header = nibabel.Nifti1Header()
    header.set_data_shape(dims)
    header.set_data_dtype(np.int16)
    header["vox_offset"] = 352
    raw = header.binaryblock + bytes(4 + 44)
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_few_bytes_that_claim_18_gb_take_no_memory(tmp_path, ending):
    path = _claim(tmp_path / f"a_bold{ending}", (2000, 2000, 1000, 5))
    assert path.stat().st_size <= 400
    tracemalloc.start()
    with pytest.raises(DataError, match="holds its shape .* truncated, or a broken header"):
        open_bold(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6


def test_such_a_run_in_a_folder_is_refused_before_anything_is_read(tmp_path):
    root = make_bids(tmp_path)
    _claim(root / BOLD, (2000, 2000, 1000, 5))
    for ask in ("design", "stimulus", "responses"):
        with pytest.raises(DataError, match="run-02_bold.*cannot hold"):
            getattr(open_bids(root), ask)("sub-01")


def test_truncated_gz_is_refused(tmp_path):
    root = make_bids(tmp_path)
    whole = (root / BOLD).read_bytes()
    (root / BOLD).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="run-02_bold.*truncated"):
        open_bids(root).responses("sub-01")


def test_cleanly_closed_gz_that_is_short_is_refused(tmp_path):
    path = write_nifti(tmp_path / "a_bold.nii.gz", noise(np.random.default_rng(0)))
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-100]))
    with pytest.raises(DataError, match="Expected 20 volumes .* an end in volume 19"):
        list(iter_volumes(path, open_bold(path)))


def test_damaged_checksum_is_refused(tmp_path):
    path = write_nifti(tmp_path / "a_bold.nii.gz", noise(np.random.default_rng(0)))
    raw = path.read_bytes()
    path.write_bytes(raw[:-8] + struct.pack("<I", struct.unpack("<I", raw[-8:-4])[0] ^ 1) + raw[-4:])
    with pytest.raises(DataError, match="damaged"):
        list(iter_volumes(path, open_bold(path)))


def test_truncated_plain_nii_is_refused_at_the_door(tmp_path):
    path = write_nifti(tmp_path / "a_bold.nii", noise(np.random.default_rng(0)))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="cannot hold"):
        open_bold(path)


@pytest.mark.parametrize("content", [b"", b"not an image at all" * 40, b"../.git/annex/objects/xx/yy/MD5E-s1--0"])
def test_files_that_are_no_images(tmp_path, content):
    path = tmp_path / "a_bold.nii.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="datalad get" if b"annex" in content else "Expected a NIfTI"):
        open_nifti(path)


def test_links_to_content_that_was_not_fetched(tmp_path):
    path = tmp_path / "a_bold.nii.gz"
    path.symlink_to(tmp_path / ".git/annex/objects/gone")
    with pytest.raises(DataError, match="datalad get"):
        open_nifti(path)


@pytest.mark.parametrize("shape", [(5, 4, 2), (5, 4, 2, 3, 2)])
def test_bold_that_is_not_4d(tmp_path, shape):
    path = write_nifti(tmp_path / "a_bold.nii.gz", np.ones(shape, np.int16))
    with pytest.raises(DataError, match="Expected a time series"):
        open_bold(path)


def test_one_volume_is_no_run(tmp_path):
    root = make_bids(tmp_path)
    write_nifti(root / BOLD, noise(np.random.default_rng(0), (5, 4, 2, 2)))
    with pytest.raises(DataError, match="Expected at least 3 volumes, got 2"):
        open_bids(root).design("sub-01")


def test_colours_are_not_numbers_and_masks_are_3d(tmp_path):
    rgb = np.zeros((3, 3, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(DataError, match="one real number"):
        open_nifti(write_nifti(tmp_path / "rgb.nii", rgb))
    with pytest.raises(DataError, match="Expected a mask of shape"):
        read_mask(write_nifti(tmp_path / "m.nii", np.ones((3, 3, 3, 2), np.int16)))
    with pytest.raises(DataError, match="Expected an image that can be read"):
        open_nifti(tmp_path / "gone.nii.gz")


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_scaled_big_endian_and_nifti2_agree_with_nibabel(tmp_path, kind):
    header = kind.header_class(endianness=">")
    image = kind(np.random.default_rng(0).normal(100, 9, (4, 3, 2, 6)), np.eye(4), header)
    image.header.set_data_dtype(">i2")
    path = tmp_path / "a_bold.nii.gz"
    nibabel.save(image, path)
    assert open_bold(path).dataobj.slope != 1
    volumes = np.stack(list(iter_volumes(path, open_bold(path))), axis=3)
    np.testing.assert_allclose(volumes, nibabel.load(path).get_fdata(), rtol=1e-6)


def test_runs_of_five_dimensions_as_afni_writes_them(tmp_path):
    data = noise(np.random.default_rng(0))
    image = nibabel.Nifti1Image(data[:, :, :, None], np.eye(4))
    image.header.set_zooms((3.0, 3.0, 3.0, 1.0, 2.5))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, tmp_path / "a_bold.nii.gz")
    opened = open_bold(tmp_path / "a_bold.nii.gz")
    assert (volume_count(opened), header_tr(tmp_path, opened)) == (20, 2.5)
    np.testing.assert_array_equal(np.stack(list(iter_volumes(tmp_path / "a_bold.nii.gz", opened)), axis=3), data)
    nibabel.save(nibabel.Nifti1Image(np.repeat(data[:, :, :, None], 2, axis=3), np.eye(4)), tmp_path / "b_bold.nii")
    with pytest.raises(DataError, match="Expected a time series .* got shape .5, 4, 2, 2, 20."):
        open_bold(tmp_path / "b_bold.nii")


def test_masks_of_probabilities_have_a_threshold_and_labels_are_refused(tmp_path):
    probabilities = np.linspace(0.0001, 1, 24).reshape(4, 3, 2).astype(np.float32)
    mask = read_mask(write_nifti(tmp_path / "p.nii.gz", probabilities))
    np.testing.assert_array_equal(mask.inside, probabilities >= 0.5)
    assert "from 0.0001 to 1" in mask.note and "0.5" in mask.note
    for value in (1, 255, 0.25):
        binary = (probabilities > 0.3) * np.float32(value)
        mask = read_mask(write_nifti(tmp_path / "b.nii.gz", binary))
        np.testing.assert_array_equal(mask.inside, binary > 0)
        assert mask.note == ""
    with pytest.raises(DataError, match="Expected a mask of 0 and one other number.* got 3 numbers from 1 to 3"):
        read_mask(write_nifti(tmp_path / "l.nii.gz", (np.arange(24) % 4).reshape(4, 3, 2).astype(np.int16)))
