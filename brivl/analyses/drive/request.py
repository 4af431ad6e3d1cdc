"""What images for a region may be requested, the checks and the key."""

from __future__ import annotations

from dataclasses import dataclass, field

from brivl.analyses.voxel_captions.request import VoxelCaptionsRequest, voxel_captions_key
from brivl.analysis import option
from brivl.data.dataset import Dataset
from brivl.errors import RequestError
from brivl.models.generation.digests import generator_digest
from brivl.models.registry import BRIVL_MINI
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

KIND, VERSION = "region-images", 1
MAX_IMAGES = 24
MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class DriveRequest:
    """For which region images are generated, and how many images are generated and ranked."""

    dataset: str
    subject: str
    region: str = field(metadata=option("--region", "--roi", help="name of the region", url="drive", required=True))
    n: int = field(default=3, metadata=option("--n", help="images"))
    seed: int = field(default=0, metadata=option("--seed", help="random seed"))
    preset: str = "strict"


def captions_request(request: DriveRequest) -> VoxelCaptionsRequest:
    """Make the request of the encoding weights that the images are generated from.

    Parameters
    ----------
    request : DriveRequest
        The request.

    Returns
    -------
    VoxelCaptionsRequest
        Voxel captions, whose result holds the weights.
    """
    return VoxelCaptionsRequest(request.dataset, request.subject, BRIVL_MINI, request.preset)


def drive_key(store: Store, request: DriveRequest, dataset: Dataset) -> ArtifactKey:
    """Make the key of images for a region.

    Parameters
    ----------
    store : Store
        Passed on to the key of the encoding weights.
    request : DriveRequest
        The request.
    dataset : Dataset
        The dataset that it names.

    Returns
    -------
    ArtifactKey
        Made of everything that changes the result.

    Raises
    ------
    RequestError
        For a number of images or a seed out of range, an unknown subject or preset, or a dataset without images.
    """
    if not 1 <= request.n <= MAX_IMAGES:
        raise RequestError(f"Expected 1 to {MAX_IMAGES} images, got {request.n!r}. Choose a number in this range.")
    if not 0 <= request.seed <= MAX_SEED:
        raise RequestError(f"Expected a seed from 0 to {MAX_SEED:,}, got {request.seed!r}. The default is 0.")
    captions = voxel_captions_key(store, captions_request(request), dataset)
    if dataset.stimulus_kind != "image":
        raise RequestError(
            "Expected a dataset of images or movies, got one of sentences. Images are generated from responses to "
            "images."
        )
    return ArtifactKey(
        KIND,
        {
            "captions": captions.digest,
            "region": request.region,
            "n": request.n,
            "seed": request.seed,
            "generator": generator_digest(),
            "version": VERSION,
        },
    )
