"""Maps of voxels as NIfTI: values at their positions, and both transforms of the header."""

from __future__ import annotations

import gzip

import nibabel
import numpy as np
import pytest

from brivl.core.records import Voxels
from brivl.data.formats.statmap import nifti_bytes, read_values

AFFINE = np.array([[2.0, 0, 0, -90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
IJK = np.array([[0, 1, 2], [3, 3, 1], [2, 0, 0]])


@pytest.mark.parametrize(
    ("space", "code"), [("sub-01, MNI152NLin2009cAsym space", 4), ("sub-MNI01, T1w space", 2), ("native", 2)]
)
def test_qform_and_sform_place_voxels_alike(space: str, code: int) -> None:
    image = nibabel.Nifti1Image.from_bytes(_unzip(nifti_bytes(Voxels(space, IJK, (4, 4, 3), AFFINE), np.arange(3.0))))
    (qform, qform_code), (sform, sform_code) = image.get_qform(coded=True), image.get_sform(coded=True)
    assert (qform_code, sform_code) == (code, code)
    np.testing.assert_allclose(qform, AFFINE, atol=1e-5)
    np.testing.assert_allclose(sform, AFFINE, atol=1e-5)


def test_values_come_back_at_the_voxels() -> None:
    voxels = Voxels("MNI152", IJK, (4, 4, 3), AFFINE)
    np.testing.assert_array_equal(read_values(nifti_bytes(voxels, np.array([1.0, np.nan, 3])), voxels), [1, np.nan, 3])


def _unzip(content: bytes) -> bytes:
    return gzip.decompress(content)
