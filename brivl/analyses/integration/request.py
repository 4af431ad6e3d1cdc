"""What an integration test may be requested of: the encoders that are compared, their layers, the key."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from brivl.analysis import option
from brivl.core.encoding.presets import preset_settings
from brivl.core.inference.blocks import PermutationSettings, check_block_length
from brivl.data.anatomy.atlases import PARCELLATION_HELP
from brivl.data.dataset import Dataset, check_subject
from brivl.data.features import check_layer
from brivl.errors import RequestError
from brivl.models.captioning.digests import CAPTIONERS, captioner_digest
from brivl.models.feature_model import Kind
from brivl.models.registry import card_for, model_digest
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

KIND, VERSION = "integration", 1
MULTIMODAL, VISION, LANGUAGE = "multimodal", "vision", "language"
BOTH = "vision + language"
UNTRAINED = "untrained twin"  # as in stored results; shown as "untrained control"
MAX_MORE = 3  # together with the three of the test, 6 bands with 69 candidates of band weights
ANY_ENCODER = "a shipped model, or the name or folder of an encoder of transformers or timm"
MORE_HELP = "up to 3 additional encoders, fitted alone and in the joint fit, but not part of the test"


@dataclass(frozen=True)
class IntegrationRequest:
    """Which encoders are compared for which subject, and how they are tested.

    Attributes
    ----------
    layer : int
        Layer of the multimodal encoder, counted from 1; 0: at two thirds of its depth. The other encoders are taken at
        the same relative depth.
    level : str
        Parcellation whose regions are tested; "": the first that these voxels have.
    block_s : float
        Seconds of a block of held-out samples that is permuted as a whole.
    n_permutations : int
        Number of permutations, and of sign flips.
    more : tuple of str
        Additional encoders, which are shown beside the others and take no part in the test.
    """

    dataset: str
    subject: str
    multimodal: str = field(
        default="brivl-mini", metadata=option("--multimodal", help=f"multimodal encoder: {ANY_ENCODER}", url="mm")
    )
    vision: str = field(default="vit-mini", metadata=option("--vision", help=f"vision encoder: {ANY_ENCODER}"))
    language: str = field(default="minilm-l6", metadata=option("--language", help=f"language encoder: {ANY_ENCODER}"))
    layer: int = field(
        default=0,
        metadata=option(
            "--layer",
            help="layer of the multimodal encoder, counted from 1 (default: at two thirds of its depth)",
            url="deep",
        ),
    )
    preset: str = "strict"
    level: str = field(
        default="",
        metadata=option("--level", help=f"parcellation: {PARCELLATION_HELP}; default: the first"),
    )
    block_s: float = field(
        default=20.0, metadata=option("--block", help="seconds of a block of samples, for time series")
    )
    n_permutations: int = field(
        default=1000, metadata=option("--permutations", "--draws", help="number of permutations and of sign flips")
    )
    more: tuple[str, ...] = field(
        default=(), metadata=option("--more", help=MORE_HELP, nargs="+", default=[], metavar="NAME")
    )


def roles_of(request: IntegrationRequest, kind: Kind) -> dict[str, tuple[str, Kind]]:
    """List the encoders of a request by role, with the kind of their input.

    Sentences come without images, so that no vision encoder is among them then. An encoder of text alone reads captions
    of images. Additional encoders are roles by their own names.

    Parameters
    ----------
    request : IntegrationRequest
        The request.
    kind : str
        Kind of the stimuli, "image" or "text".

    Returns
    -------
    dict
        Role -> name of the encoder, and kind of its input.

    Raises
    ------
    RequestError
        For an encoder that does not take this kind of input, too many additional encoders, or one that is named twice.
    """
    roles: dict[str, tuple[str, Kind]] = {MULTIMODAL: (request.multimodal, kind), LANGUAGE: (request.language, "text")}
    if kind == "image":
        roles[VISION] = (request.vision, kind)
    if "@" not in Path(request.multimodal).name:
        roles[UNTRAINED] = (f"{request.multimodal}@untrained", kind)
    for name, input_kind in roles.values():
        if input_kind not in card_for(name).kinds:
            raise _wrong_kind(name, input_kind)
    return roles | _additional_roles(request, kind, {name for name, _ in roles.values()})


def _additional_roles(request: IntegrationRequest, kind: Kind, used: set[str]) -> dict[str, tuple[str, Kind]]:
    if len(request.more) > MAX_MORE:
        raise RequestError(
            f"Expected up to {MAX_MORE} additional encoders, got {len(request.more)}. Leave some of them out."
        )
    roles: dict[str, tuple[str, Kind]] = {}
    for name in request.more:
        role, kinds = Path(name).name, card_for(name).kinds
        if name in used or role in roles:
            raise RequestError(f"Expected each encoder once, got {name!r} again. Name another encoder or folder.")
        if kind not in kinds and "text" not in kinds:
            raise _wrong_kind(name, kind)
        roles[role] = (name, kind if kind in kinds else "text")
    return roles


def _wrong_kind(name: str, kind: Kind) -> RequestError:
    return RequestError(f"Expected an encoder that takes {kind} stimuli, got {name!r}. Choose another encoder.")


def layers_of(request: IntegrationRequest, kind: Kind) -> dict[str, int]:
    """Choose the layer of each encoder: all at the same relative depth as that of the multimodal encoder.

    Parameters
    ----------
    request : IntegrationRequest
        The request.
    kind : str
        Kind of the stimuli, "image" or "text".

    Returns
    -------
    dict
        Role -> layer, counted from 1.

    Raises
    ------
    RequestError
        For a layer that the multimodal encoder does not have, and where `roles_of` does.
    """
    n_layers = card_for(request.multimodal).n_layers[kind]
    layer = request.layer or round(2 * n_layers / 3)
    check_layer(request.multimodal, kind, layer)
    depths = {role: card_for(name).n_layers[of] for role, (name, of) in roles_of(request, kind).items()}
    return {role: min(depth, max(1, round(layer * depth / n_layers))) for role, depth in depths.items()}


def input_kind(dataset: Dataset) -> Kind:
    """Tell whether stimuli are images or text.

    Parameters
    ----------
    dataset : Dataset
        The dataset.

    Returns
    -------
    str
        "image" or "text".

    Raises
    ------
    RequestError
        Where the dataset has only features of its stimuli.
    """
    kind = dataset.stimulus_kind
    if kind == "features":
        raise RequestError(
            "Expected images or sentences as stimuli, got a dataset with only features of them. Choose another dataset."
        )
    return kind


def integration_key(store: Store, request: IntegrationRequest, dataset: Dataset) -> ArtifactKey:
    """Make the key of an integration test.

    Parameters
    ----------
    store : Store
        Not used; all keys are made alike.
    request : IntegrationRequest
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
        For an unknown preset, subject, encoder or layer, for blocks or permutations that are too few, or where there
        are no stimuli.
    """
    settings = preset_settings(request.preset)
    check_block_length(request.block_s)
    PermutationSettings(request.n_permutations)
    check_subject(dataset, request.subject)
    kind = input_kind(dataset)
    layers = layers_of(request, kind)
    roles = roles_of(request, kind)
    return ArtifactKey(
        KIND,
        {
            "data": dataset.digest(request.subject),
            "models": {role: [Path(name).name, model_digest(name, of)] for role, (name, of) in roles.items()},
            "preset": settings,
            "level": request.level,
            "block_s": request.block_s,
            "n_draws": request.n_permutations,
            "layers": layers,
            "captions": captioner_digest(CAPTIONERS[0]) if kind == "image" else "",
            "version": VERSION,
        },
    )
