"""What voxel captions may be requested of, their checks and their key."""

from __future__ import annotations

from dataclasses import dataclass, field

from brivl.analyses.voxel_captions.corpus import corpus_digest
from brivl.analyses.voxel_captions.sentences import decoder_digest
from brivl.analysis import option
from brivl.core.encoding.presets import preset_settings
from brivl.data.dataset import Dataset, check_subject
from brivl.errors import RequestError
from brivl.models.encoders.embedding_digest import embedder_digest
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

KIND, VERSION = "voxel-captions", 3
CORPUS_HELP = "text file with one sentence per line (default: captions of the shipped gallery, or the data's own)"


@dataclass(frozen=True)
class VoxelCaptionsRequest:
    """Whose voxels are captioned, and in the embedding space of which model.

    Attributes
    ----------
    corpus : str
        File with one sentence per line; "": captions of the shipped gallery, or the sentences of the dataset.
    """

    dataset: str
    subject: str
    model: str = field(
        default="brivl-mini", metadata=option("--model", help="a model that embeds both images and text")
    )
    preset: str = "strict"
    corpus: str = field(default="", metadata=option("--corpus", help=CORPUS_HELP))


def voxel_captions_key(store: Store, request: VoxelCaptionsRequest, dataset: Dataset) -> ArtifactKey:
    """Make the key of voxel captions.

    Parameters
    ----------
    store : Store
        Not used; all keys are made alike.
    request : VoxelCaptionsRequest
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
        For an unknown preset, subject or model, or where there are no stimuli.
    DataError
        For a corpus that cannot be read.
    """
    settings = preset_settings(request.preset)
    check_subject(dataset, request.subject)
    if dataset.stimulus_kind == "features":
        raise RequestError(
            "Expected images or sentences, got a dataset with only features of the stimuli. Choose another dataset."
        )
    return ArtifactKey(
        KIND,
        {
            "data": dataset.digest(request.subject),
            "embedder": embedder_digest(request.model),
            "preset": settings,
            "corpus": corpus_digest(request.corpus),
            "writer": decoder_digest(request.model),
            "version": VERSION,
        },
    )
