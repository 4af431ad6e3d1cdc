"""GIfTI files are read as nibabel reads them, and wrong ones end in a sentence."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from brivl.data.formats.gifti_reading import read_labels, read_mesh, read_series, scan_series
from brivl.errors import DataError
from tests.support.surface_files import write_labels, write_mesh, write_series

RNG = np.random.default_rng(1)
TRIANGLES = np.array([[0, 1, 2], [0, 2, 3]])


def test_a_series_is_read_as_nibabel_reads_it(tmp_path: Path) -> None:
    Y = RNG.normal(size=(7, 12)).astype(np.float32)
    path = write_series(tmp_path / "sub-01_hemi-R_bold.func.gii", Y, "R", tr=1.5)
    claimed = scan_series(path)
    assert (claimed.n_volumes, claimed.n_vertices, claimed.side, claimed.step_s) == (7, 12, "R", 1.5)
    assert np.array_equal(read_series(path), nibabel.load(path).agg_data().T)
    assert np.array_equal(read_series(path), Y)


def test_one_array_of_all_volumes_is_read(tmp_path: Path) -> None:
    Y = RNG.normal(size=(5, 9)).astype(np.float32)
    array = nibabel.gifti.GiftiDataArray(Y.T.copy(), "NIFTI_INTENT_NONE", "NIFTI_TYPE_FLOAT32")
    nibabel.save(nibabel.gifti.GiftiImage(darrays=[array]), tmp_path / "a.func.gii")
    assert scan_series(tmp_path / "a.func.gii").n_volumes == 5
    assert np.array_equal(read_series(tmp_path / "a.func.gii"), Y)


def test_meshes_and_labels(tmp_path: Path) -> None:
    points = RNG.normal(size=(4, 3)).astype(np.float32)
    vertices, faces = read_mesh(write_mesh(tmp_path / "a.surf.gii", points, TRIANGLES))
    assert np.array_equal(vertices, points) and np.array_equal(faces, TRIANGLES)
    labels, names = read_labels(write_labels(tmp_path / "a.label.gii", np.array([0, 2, 2]), {0: "?", 2: "V1"}))
    assert labels.tolist() == [0, 2, 2] and names == {0: "?", 2: "V1"}


def test_wrong_files_end_in_a_sentence(tmp_path: Path) -> None:
    whole = write_series(tmp_path / "whole.func.gii", RNG.normal(size=(4, 50))).read_bytes()
    mesh = write_mesh(tmp_path / "a.surf.gii", RNG.normal(size=(4, 3)), TRIANGLES)
    beyond = write_mesh(tmp_path / "b.surf.gii", RNG.normal(size=(4, 3)), TRIANGLES + 9)
    wrong = {
        "truncated": whole[: len(whole) // 2],
        "empty": b"",
        "text": b"no xml at all",
        "claims": whole.replace(b'Dim0="50"', b'Dim0="50000000"'),
        "other": whole.replace(b'Dim0="50"', b'Dim0="49"', 1),
        "external": whole.replace(b"GZipBase64Binary", b"ExternalFileBinary"),
        "entity": whole.replace(b"<GIFTI", b'<!DOCTYPE GIFTI [<!ENTITY a "b">]><GIFTI'),
        "no arrays": b"<?xml version='1.0'?><GIFTI Version='1.0' NumberOfDataArrays='0'></GIFTI>",
    }
    for name, content in wrong.items():
        path = tmp_path / f"{name}.func.gii"
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"^Expected .*, got .*\. [A-Z].*\.$"):
            read_series(path)
    with pytest.raises(DataError, match="not a mesh"):
        read_series(mesh)
    with pytest.raises(DataError, match="Name a .surf.gii mesh"):
        read_mesh(tmp_path / "whole.func.gii")
    with pytest.raises(DataError, match="triangles of the 4 vertices"):
        read_mesh(beyond)
    (tmp_path / "link.func.gii").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match="datalad get"):
        read_series(tmp_path / "link.func.gii")
