"""What a decoding may be requested of, its checks and its key."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from brivl.analysis import option
from brivl.core.encoding.presets import preset_settings
from brivl.data.dataset import Dataset, check_subject
from brivl.errors import RequestError
from brivl.models.captioning.digests import CAPTIONERS, captioner_digest
from brivl.models.encoders.embedding_digest import embedder_digest
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

KIND, VERSION = "decoding", 1
MAX_WINDOW_S = 600.0
WINDOW_HELP = "seconds of a movie that are one stimulus; sentences are one stimulus each"


@dataclass(frozen=True)
class DecodingRequest:
    """Whose responses are decoded into which model's space, and how long a stimulus window is.

    Attributes
    ----------
    level : str
        Parcellation whose regions are decoded one by one; "": the first that these voxels have.
    window_s : float
        Seconds of a time series that are one stimulus; sentences are one stimulus each.
    """

    dataset: str
    subject: str
    model: str = field(
        default="brivl-mini", metadata=option("--model", help="a model that embeds both images and text")
    )
    level: str = field(
        default="", metadata=option("--level", help="regions: roi, area, merged, region (default: the first)", url="of")
    )
    preset: str = "strict"
    window_s: float = field(default=6.0, metadata=option("--window", help=WINDOW_HELP, url="window"))


def decoding_key(store: Store, request: DecodingRequest, dataset: Dataset) -> ArtifactKey:
    """Make the key of a decoding.

    Parameters
    ----------
    store : Store
        Not used; all keys are made alike.
    request : DecodingRequest
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
        For an unknown preset, subject or model, for a window that is not possible, or where there are no stimuli.
    """
    settings = preset_settings(request.preset)
    if not np.isfinite(request.window_s) or not 0 < request.window_s <= MAX_WINDOW_S:
        raise RequestError(
            f"Expected a window of more than 0 and up to {MAX_WINDOW_S:g} s, got {request.window_s!r}. Choose another."
        )
    check_subject(dataset, request.subject)
    if dataset.stimulus_kind == "features":
        raise RequestError(
            "Expected images or sentences to decode, got a dataset with only features of them. Choose another dataset."
        )
    return ArtifactKey(
        KIND,
        {
            "data": dataset.digest(request.subject),
            "embedder": embedder_digest(request.model),
            "captions": captioner_digest(CAPTIONERS[0]),
            "level": request.level,
            "window_s": request.window_s,
            "preset": settings,
            "version": VERSION,
            # Captions of images may be equal, which counted against the prediction before; sentences never were.
            **({"ties": "half"} if dataset.stimulus_kind == "image" else {}),
        },
    )
