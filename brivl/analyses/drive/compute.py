"""Generate images with a large predicted response of a region, and rank the stimuli by the same prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brivl.analyses.drive.request import DriveRequest, captions_request
from brivl.analyses.voxel_captions.analysis import VOXEL_CAPTIONS
from brivl.analyses.voxel_captions.compute import MIN_R2, MIN_VOXELS, VoxelCaptionsResult
from brivl.analyses.voxel_captions.corpus import category_words
from brivl.analysis import Context, Stored, run
from brivl.core.progress import ProgressCallback
from brivl.core.records import Voxels
from brivl.data.dataset import Dataset
from brivl.data.regions import available_parcellations, region_masks
from brivl.data.stimuli.embeddings import sample_embeddings
from brivl.errors import RequestError
from brivl.models.registry import BRIVL_MINI
from brivl.scenes.things import COLOURS, KINDS
from brivl.store.artifacts import Artifact

STEPS = 30  # of the inversion, as in text-to-image generation


@dataclass(frozen=True)
class PlantedCategory:
    """The category that a simulated region prefers, and the kinds of things in it."""

    name: str
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class DriveResult:
    """Generated images, and the control: the stimuli ranked by the same prediction.

    Attributes
    ----------
    images, natural : (n, H, W, 3) arrays of uint8
        Generated images, and the stimuli of largest predicted response.
    predicted, natural_predicted : (n,) arrays
        Predicted response of the region, in standard deviations over the stimuli.
    kinds, natural_kinds, random_kinds : (n, n_kinds) arrays
        Probabilities of an independent classifier for the generated images, those stimuli, and n random stimuli.
    voxel_indices : (n_voxels,) array of int
        Voxels that were fitted.
    voxel_responses : (n_voxels,) array
        Mean predicted response of each voxel to the generated images, in standard deviations.
    by_region : mapping
        Region -> mean predicted response to the generated images, in standard deviations.
    planted : PlantedCategory or None
        The simulated truth, where it is known.
    n_voxels : int
        Voxels of the region; 0 where an earlier version did not store it.
    simulated : bool
        Whether the data are simulated.
    """

    request: DriveRequest
    images: np.ndarray
    predicted: np.ndarray
    kinds: np.ndarray
    natural: np.ndarray
    natural_predicted: np.ndarray
    natural_kinds: np.ndarray
    random_kinds: np.ndarray
    voxel_indices: np.ndarray
    voxel_responses: np.ndarray
    by_region: Mapping[str, float]
    planted: PlantedCategory | None
    n_voxels: int
    simulated: bool


@dataclass(frozen=True)
class RegionModel:
    """Linear predictions of regions and voxels from an embedding, in standard deviations over the stimuli.

    Attributes
    ----------
    mean : (D,) array
        Mean embedding of the stimuli.
    voxels : (D, n_voxels) array
        Weights, each scaled so that predictions have standard deviation 1 over the stimuli.
    regions : mapping
        Region -> (D,) weights, likewise.
    """

    mean: np.ndarray
    voxels: np.ndarray
    regions: Mapping[str, np.ndarray]

    @staticmethod
    def from_weights(weights: np.ndarray, masks: Mapping[str, np.ndarray], E: np.ndarray) -> RegionModel:
        """Scale encoding weights.

        Parameters
        ----------
        weights : (D, n_voxels) array
            Encoding weights.
        masks : mapping
            Region -> (n_voxels,) bool.
        E : (n_samples, D) array
            Embeddings of the stimuli.

        Returns
        -------
        RegionModel
            The model.
        """
        centred = E - E.mean(0)

        def scaled(w: np.ndarray) -> np.ndarray:
            return w / np.maximum((centred @ w).std(0), 1e-12)

        regions = {name: scaled(weights[:, inside].mean(1)) for name, inside in masks.items()}
        return RegionModel(E.mean(0), scaled(weights), regions)

    def predict_region(self, name: str, embeddings: np.ndarray) -> np.ndarray:
        """Predict the response of a region.

        Parameters
        ----------
        name : str
            Name of the region.
        embeddings : (n, D) array
            Embeddings of images.

        Returns
        -------
        (n,) array
            Responses in standard deviations over the stimuli.
        """
        return (embeddings - self.mean) @ self.regions[name]


def _masks(voxels: Voxels, captions: VoxelCaptionsResult) -> dict[str, np.ndarray]:
    """Predicted voxels of each region, among the fitted ones."""
    levels = available_parcellations(voxels)
    masks = region_masks(voxels, levels[0]) if levels else {}
    kept = {name: inside[captions.voxel_indices] & (captions.r2 > MIN_R2) for name, inside in masks.items()}
    return {name: inside for name, inside in kept.items() if inside.sum() >= MIN_VOXELS}


def compute(context: Context, request: DriveRequest) -> Stored:
    """Generate images for a region and rank the stimuli.

    Parameters
    ----------
    context : Context
        Store, dataset and progress callback.
    request : DriveRequest
        The request.

    Returns
    -------
    tuple
        Arrays and info of the stored result.

    Raises
    ------
    RequestError
        For a region that these voxels do not have, or that is not predicted.
    """
    from brivl.data.stimuli.contact_sheet import sample_frames
    from brivl.models.generation.classifier import classify_images, load_scene_classifier

    store, dataset, progress = context.store, context.data, context.progress
    captions = run(VOXEL_CAPTIONS, store, captions_request(request), progress)
    masks = _masks(dataset.responses(request.subject).voxels, captions)
    if request.region not in masks:
        raise RequestError(
            f"Expected a region that is predicted, one of {sorted(masks)}, got {request.region!r}. Choose another."
        )
    stimulus = dataset.stimulus(request.subject)
    E = sample_embeddings(store, stimulus, BRIVL_MINI, progress)
    model = RegionModel.from_weights(captions.weights.astype(np.float64), masks, E)
    images = _generate(model, request, E, progress)
    embedded = _embed(images)
    response = model.predict_region(request.region, E)
    best = np.argsort(-response, kind="stable")[: request.n]
    at_random = np.random.default_rng([request.seed, 9]).permutation(len(E))[: request.n]
    natural, random = sample_frames(stimulus, best), sample_frames(stimulus, at_random)
    classifier = load_scene_classifier(len(KINDS), len(COLOURS))
    groups = {"": images, "natural_": natural, "random_": random}
    kinds = {f"{name}kinds": classify_images(classifier, group).kinds for name, group in groups.items()}
    return kinds | {
        "images": images,
        "predicted": model.predict_region(request.region, embedded),
        "natural": natural,
        "natural_predicted": response[best],
        "columns": captions.voxel_indices,
        "of_voxels": ((embedded - model.mean) @ model.voxels).mean(0).astype(np.float32),
    }, {
        "by_region": {name: float(model.predict_region(name, embedded).mean()) for name in masks},
        "simulated": dataset.simulated,
        "wanted": _planted(dataset, request, captions, masks),
        "n_voxels": int(masks[request.region].sum()),
    }


def _planted(
    dataset: Dataset, request: DriveRequest, captions: VoxelCaptionsResult, masks: Mapping[str, np.ndarray]
) -> dict[str, Any] | None:
    """The planted category of most of the region's voxels and its kinds, where the truth is known."""
    preferred = getattr(dataset, "preferred_categories", None)
    if preferred is None:
        return None
    categories = preferred(request.subject)[captions.voxel_indices][masks[request.region]]
    names, counts = np.unique(categories, return_counts=True)
    category = str(names[counts.argmax()])
    return {"category": category, "kinds": sorted(category_words(category))} if category else None


def _generate(model: RegionModel, request: DriveRequest, E: np.ndarray, progress: ProgressCallback) -> np.ndarray:
    """Images (n, H, W, 3) whose embeddings lie along the weights: sampled from the code prior, then optimised."""
    from brivl.core.text.voxel_words import project_onto_images
    from brivl.models.generation.prior_initialisation import SteeringSettings, steer_image

    w = model.regions[request.region]
    direction = project_onto_images(w[:, None], E)[0]
    # The prior was trained on embeddings of images, whose usual distance from their mean this is.
    condition = direction * np.linalg.norm(E - E.mean(0), axis=1).mean()
    images = []
    for i in range(request.n):
        progress(i, request.n, f"Generating images for {request.region}")
        settings = SteeringSettings(n_steps=STEPS)
        images.append(steer_image(w / np.linalg.norm(w), condition, request.seed + i, settings))
    return np.stack(images)


def _embed(images: np.ndarray) -> np.ndarray:
    from brivl.models.encoders.embedding import open_embedder

    return open_embedder(BRIVL_MINI).encode_images(images)


def read(artifacts: Sequence[Artifact], request: DriveRequest) -> DriveResult:
    """Read stored images for a region.

    Parameters
    ----------
    artifacts : sequence of Artifact
        The one stored part.
    request : DriveRequest
        The request.

    Returns
    -------
    DriveResult
        The result.
    """
    a, info = artifacts[0].arrays, artifacts[0].info
    planted = info["wanted"]
    names = ("images", "predicted", "kinds", "natural", "natural_predicted", "natural_kinds", "random_kinds")
    return DriveResult(
        request,
        **{name: a[name] for name in names},
        voxel_indices=a["columns"],
        voxel_responses=a["of_voxels"],
        by_region=info["by_region"],
        planted=None if planted is None else PlantedCategory(planted["category"], tuple(planted["kinds"])),
        n_voxels=int(info.get("n_voxels", 0)),
        simulated=bool(info["simulated"]),
    )
