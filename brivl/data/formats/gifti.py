"""Maps of values on the vertices of fsaverage as GIfTI files, one for each hemisphere."""

from __future__ import annotations

from typing import Literal

import numpy as np
from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiMetaData

from brivl.errors import DataError

Side = Literal["L", "R"]
SIDES: tuple[Side, Side] = ("L", "R")
STRUCTURES = {"L": "CortexLeft", "R": "CortexRight"}
MESHES = {2562: "fsaverage4", 10_242: "fsaverage5", 40_962: "fsaverage6", 163_842: "fsaverage"}  # by vertices a side
UNKNOWN_MESH = "fsaverage"


def mesh_name(n_vertices: int) -> str:
    """Name the template mesh of a number of vertices.

    Parameters
    ----------
    n_vertices : int
        Vertices of one hemisphere.

    Returns
    -------
    str
        Name of the mesh; "fsaverage" for other numbers.
    """
    return MESHES.get(n_vertices, UNKNOWN_MESH)


def hemispheres(values: np.ndarray) -> dict[Side, np.ndarray]:
    """Divide values into hemispheres.

    Parameters
    ----------
    values : np.ndarray
        (n_vertices,) of both hemispheres, left first.

    Returns
    -------
    dict of str to np.ndarray
        "L" and "R", each (n_vertices / 2,).

    Raises
    ------
    DataError
        The number is odd, or the array is not 1-D.
    """
    if values.ndim != 1 or len(values) % 2:
        raise DataError(
            f"Expected values of two hemispheres of equal size, left first, got shape {values.shape!r}. Choose data on "
            "the surface."
        )
    left, right = np.split(values, 2)
    return {"L": left, "R": right}


def gifti_bytes(values: np.ndarray, side: Side) -> bytes:
    """Write values of one hemisphere as a .func.gii.

    Parameters
    ----------
    values : np.ndarray
        (n_vertices,), NaN where nothing was fitted.
    side : Side
        Hemisphere.

    Returns
    -------
    bytes
        The file, float32. Equal values give equal bytes.
    """
    array = GiftiDataArray(
        np.asarray(values, np.float32),
        intent="NIFTI_INTENT_NONE",
        datatype="NIFTI_TYPE_FLOAT32",
        meta=GiftiMetaData({"Name": "R2 by vertex"}),
    )
    structure = GiftiMetaData({"AnatomicalStructurePrimary": STRUCTURES[side]})
    return GiftiImage(meta=structure, darrays=[array]).to_bytes()
