"""The result of a transfer, as it is read from the store. Light: no model code is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from brivl.analyses.transfer.features import Streams
from brivl.analyses.transfer.request import MODALITIES, MULTIMODAL, UNIMODAL, TransferRequest
from brivl.store.artifacts import Artifact
from brivl.store.digests import JSON

SCORES = ("within", "raw", "across", "p", "q")


@dataclass(frozen=True)
class DirectionScores:
    """Scores (n_regions,) of one set of models where one modality is predicted, means over the voxels of a region.

    Attributes
    ----------
    within : array
        Mean r of the model that was fitted to this modality.
    raw : array
        Mean r of the model that was fitted to the other modality, before signs are flipped.
    across : array
        The same with signs flipped.
    p, q : array
        Of `across`, by permutation; q is corrected over regions and NaN for all voxels.
    """

    within: np.ndarray
    raw: np.ndarray
    across: np.ndarray
    p: np.ndarray
    q: np.ndarray


@dataclass(frozen=True)
class SharedComponents:
    """Principal components of the weights in multimodal voxels, largest first.

    Attributes
    ----------
    explained : (n_components,) array
        Fraction of the variance of the story weights.
    agreement : (n_components,) array
        Correlation over voxels between the loadings of stories and movie.
    r, p : (2, n_components) array
        Mean r over these voxels of transfer by way of the component alone, and its p: movie predicted, stories
        predicted.
    words : tuple
        Words at the high and at the low end of each component.
    contact_sheet : array of uint8
        Bytes of a WebP with `n_frames` frames of the movie for each end of each component.
    n_frames : int
        Frames of each end.
    """

    explained: np.ndarray
    agreement: np.ndarray
    r: np.ndarray
    p: np.ndarray
    words: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    contact_sheet: np.ndarray
    n_frames: int


@dataclass(frozen=True)
class TransferTruth:
    """Comparison with what was simulated.

    Attributes
    ----------
    shared_regions : tuple of str
        Regions whose voxels share a code in both modalities.
    inverse_regions : tuple of str
        Regions whose code has the opposite sign in stories.
    subspace : mapping or None
        Mean cosine of the principal angles between simulated dimensions and shared components, by modality and "mean",
        with their numbers; None where nothing is shared.
    sign_accuracy : float or None
        Fraction of shared voxels whose sign is right; None where nothing is shared.
    """

    shared_regions: tuple[str, ...]
    inverse_regions: tuple[str, ...]
    subspace: Mapping[str, float] | None
    sign_accuracy: float | None

    @property
    def subspace_correlation(self) -> float:
        """Mean over both modalities, 0 where there is none."""
        return 0.0 if self.subspace is None else self.subspace["mean"]


@dataclass(frozen=True)
class TransferResult:
    """Transfer in both directions, by the modality that is predicted.

    Attributes
    ----------
    regions : tuple of str
        Names of regions, all voxels first.
    n_voxels : tuple of int
        Voxels of each region.
    scores : mapping
        (set of models, modality) -> scores.
    better_p : mapping
        Modality -> (n_regions,) one-sided p that the multimodal model transfers better than the unimodal ones.
    voxel_indices : (n_voxels,) int array
        Indices of the scored voxels among all voxels of the subject.
    voxel_r : mapping
        ("within" or "across", modality) -> (n_voxels,) r of the multimodal model.
    components : SharedComponents or None
        None where too few voxels transfer in both directions.
    n_multimodal_voxels : int
        Voxels that transfer in both directions on training samples.
    sign_flipped : mapping
        Set of models -> regions whose sign was flipped.
    map_r2 : mapping
        Set of models -> cross-validated R2 of the maps to language and to vision.
    streams : mapping
        Set of models -> models and layers.
    dataset_names : tuple of str
        Stories, movie.
    n_blocks : mapping
        Modality -> blocks of test samples.
    block_description : str
        What the blocks are.
    has_test_run : mapping
        Modality -> whether there is a test run; otherwise runs are held out.
    truth : TransferTruth or None
        None for data that were not simulated for this.
    simulated : bool
        Whether data are simulated.
    """

    request: TransferRequest
    regions: tuple[str, ...]
    n_voxels: tuple[int, ...]
    scores: Mapping[tuple[str, str], DirectionScores]
    better_p: Mapping[str, np.ndarray]
    voxel_indices: np.ndarray
    voxel_r: Mapping[tuple[str, str], np.ndarray]
    components: SharedComponents | None
    n_multimodal_voxels: int
    sign_flipped: Mapping[str, tuple[str, ...]]
    map_r2: Mapping[str, tuple[float, float]]
    streams: Mapping[str, Streams]
    dataset_names: tuple[str, str]
    n_blocks: Mapping[str, int]
    block_description: str
    has_test_run: Mapping[str, bool]
    truth: TransferTruth | None
    simulated: bool


def read(artifacts: Sequence[Artifact], request: TransferRequest) -> TransferResult:
    """Read a stored transfer.

    Parameters
    ----------
    artifacts : sequence of Artifact
        The one stored part.
    request : TransferRequest
        The request.

    Returns
    -------
    TransferResult
        The result.
    """
    a, info = artifacts[0].arrays, artifacts[0].info
    sets = (MULTIMODAL, UNIMODAL)
    return TransferResult(
        request=request,
        regions=tuple(info["regions"]),
        n_voxels=tuple(info["n_voxels"]),
        scores={
            (name, m): DirectionScores(**{what: a[f"{name}.{m}.{what}"] for what in SCORES})
            for name in sets
            for m in MODALITIES
        },
        better_p={m: a[f"better.{m}"] for m in MODALITIES},
        voxel_indices=a["voxels.columns"],
        voxel_r={(what, m): a[f"voxels.{what}.{m}"] for what in ("within", "across") for m in MODALITIES},
        components=_components(a, info),
        n_multimodal_voxels=info["n_multimodal"],
        sign_flipped={name: tuple(regions) for name, regions in info["turned"].items()},
        map_r2={name: (to_language, to_vision) for name, (to_language, to_vision) in info["maps"].items()},
        streams={name: Streams(*map(_layer, streams)) for name, streams in info["streams"].items()},
        dataset_names=(info["names"][0], info["names"][1]),
        n_blocks=dict(info["n_blocks"]),
        block_description=info["blocks"],
        has_test_run=dict(info["tested"]),
        truth=_truth(info.get("truth")),
        simulated=bool(info["simulated"]),
    )


def _layer(stored: Sequence[JSON]) -> tuple[str, int]:
    return str(stored[0]), int(stored[1])


def _components(a: Mapping[str, np.ndarray], info: Mapping[str, JSON]) -> SharedComponents | None:
    if "agreement" not in a:
        return None
    return SharedComponents(
        explained=a["explained"],
        agreement=a["agreement"],
        r=a["component_r"],
        p=a["component_p"],
        words=tuple((tuple(high), tuple(low)) for high, low in info["words"]),
        contact_sheet=a["sheet"],
        n_frames=info["frames"],
    )


def _truth(stored: Mapping[str, JSON] | None) -> TransferTruth | None:
    if not stored:
        return None
    return TransferTruth(
        shared_regions=tuple(stored["shared_regions"]),
        inverse_regions=tuple(stored["inverse_regions"]),
        subspace=stored["subspace"],
        sign_accuracy=stored["sign_accuracy"],
    )
