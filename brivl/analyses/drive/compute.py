"""Images that drive a region: the generator steered by the encoding model, and natural stimuli ranked by the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brivl.analyses.voxel_captions.compute import (
    FEWEST_VOXELS,
    WELL,
    CaptionAsked,
    VoxelCaptions,
    caption_key,
    caption_voxels,
)
from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.records import Voxels
from brivl.data.dataset import Dataset, stimulus_kind
from brivl.data.flatmaps import prepare_flatmap
from brivl.data.regions import available_parcellations, region_masks
from brivl.data.registry import open_dataset
from brivl.data.stimuli.embeddings import sample_embeddings
from brivl.errors import RequestError
from brivl.models.generation.digests import generator_digest
from brivl.models.registry import BRIVL_MINI
from brivl.scenes.things import COLOURS, KINDS
from brivl.store.artifacts import Artifact, Store
from brivl.store.keys import ArtifactKey

KIND, VERSION = "region-images", 1
STEPS = 30  # of the inversion, as text to image
MOST_IMAGES = 24


@dataclass(frozen=True)
class DriveAsked:
    """Which region is to be driven, and how many pictures are made and ranked."""

    dataset: str
    subject: str
    region: str
    n: int = 3
    seed: int = 0
    preset: str = "strict"


@dataclass(frozen=True)
class Driven:
    """What was made, and the control.

    images (n, H, W, 3) uint8; predicted (n,): response of the region, in standard deviations of its predicted responses
    to the stimuli shown; kinds (n, n_kinds): the judge's probabilities. natural_*: the n stimuli of largest predicted
    response. random_kinds: n stimuli by chance. by_region: name -> mean predicted response to the images made, in the
    same units; of_voxels (n_columns,) likewise, columns: which voxels.
    """

    asked: DriveAsked
    images: np.ndarray
    predicted: np.ndarray
    kinds: np.ndarray
    natural: np.ndarray  # (n, H, W, 3) uint8
    natural_predicted: np.ndarray
    natural_kinds: np.ndarray
    random_kinds: np.ndarray
    columns: np.ndarray
    of_voxels: np.ndarray
    by_region: Mapping[str, float]
    info: Mapping[str, Any]  # simulated, seconds, wanted (kinds of the planted category, where one is known)


def drive_key(store: Store, asked: DriveAsked, dataset: Dataset | None = None) -> ArtifactKey:
    """Key of the images. Raises RequestError for what cannot be asked."""
    if not 1 <= asked.n <= MOST_IMAGES:
        raise RequestError(f"Wanted 1 to {MOST_IMAGES} images and got {asked.n!r}.")
    if not 0 <= asked.seed < 2**31:
        raise RequestError(f"Wanted a seed from 0 to 2,147,483,647 and got {asked.seed!r}; 0 is usual.")
    dataset = dataset or open_dataset(asked.dataset, store)
    captions = caption_key(store, _captions_asked(asked), dataset)
    if stimulus_kind(dataset, asked.subject) != "image":
        raise RequestError(
            "Wanted a dataset of pictures or films: a region driven by sentences cannot be shown images."
        )
    how = {name: getattr(asked, name) for name in ("region", "n", "seed")}
    return ArtifactKey(
        KIND,
        {
            "captions": captions.digest,
            **how,
            "generator": generator_digest(),
            "version": VERSION,
        },
    )


def known_driven(store: Store, asked: DriveAsked, dataset: Dataset | None = None) -> Driven | None:
    """What is stored, None if nothing."""
    artifact = store.get(drive_key(store, asked, dataset))
    return None if artifact is None else _read(artifact, asked)


def drive_region(store: Store, asked: DriveAsked, progress: ProgressCallback = no_progress) -> Driven:
    """The images, made if need be. Raises RequestError for a region that is not there or not predicted."""
    dataset = open_dataset(asked.dataset, store, progress)
    key = drive_key(store, asked, dataset)
    return _read(store.get_or_compute(key, lambda: _compute(store, asked, dataset, progress)), asked)


def drive_request(store: Store, asked: DriveAsked) -> dict[str, Any]:
    """The task of the worker."""
    return {"task": "drive-region", "store": str(store.root), "asked": asdict(asked)}


def drive_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Make and keep, and prepare the map that the page shows the responses on."""
    store, asked = Store(Path(request["store"])), DriveAsked(**request["asked"])
    drive_region(store, asked, progress)
    progress(1, 1, "Preparing the flatmap")
    prepare_flatmap(store, open_dataset(asked.dataset, store, progress), asked.subject)
    return {}


@dataclass(frozen=True)
class RegionModel:
    """Linear predictions of regions and voxels from an embedding, in standard deviations over the stimuli shown."""

    centre: np.ndarray  # (D,) mean embedding of the stimuli
    voxels: np.ndarray  # (D, n_columns), each scaled to deviation 1 over the stimuli
    regions: Mapping[str, np.ndarray]  # name -> (D,), likewise

    @staticmethod
    def of(weights: np.ndarray, masks: Mapping[str, np.ndarray], E: np.ndarray) -> RegionModel:
        """weights (D, n); masks: name -> (n,) bool; E (n_samples, D)."""
        centred = E - E.mean(0)

        def scaled(w: np.ndarray) -> np.ndarray:
            return w / np.maximum((centred @ w).std(0), 1e-12)

        regions = {name: scaled(weights[:, inside].mean(1)) for name, inside in masks.items()}
        return RegionModel(E.mean(0), scaled(weights), regions)

    def region(self, name: str, e: np.ndarray) -> np.ndarray:
        """Predicted responses (n,) to embeddings e (n, D)."""
        return (e - self.centre) @ self.regions[name]


def _captions_asked(asked: DriveAsked) -> CaptionAsked:
    return CaptionAsked(asked.dataset, asked.subject, BRIVL_MINI, asked.preset)


def _masks(voxels: Voxels, found: VoxelCaptions) -> dict[str, np.ndarray]:
    """Of the fitted voxels, those of each region that are predicted."""
    levels = available_parcellations(voxels)
    masks = region_masks(voxels, levels[0]) if levels else {}
    kept = {name: inside[found.columns] & (found.r2 > WELL) for name, inside in masks.items()}
    return {name: inside for name, inside in kept.items() if inside.sum() >= FEWEST_VOXELS}


def _compute(
    store: Store, asked: DriveAsked, dataset: Dataset, progress: ProgressCallback
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    from brivl.models.generation.classifier import classify_images, load_scene_classifier

    found = caption_voxels(store, _captions_asked(asked), progress)
    masks = _masks(dataset.responses(asked.subject).voxels, found)
    if asked.region not in masks:
        raise RequestError(f"Wanted a region that is predicted, one of {sorted(masks)}, and got {asked.region!r}.")
    stimulus = dataset.stimulus(asked.subject)
    E = sample_embeddings(store, stimulus, BRIVL_MINI, progress)
    model = RegionModel.of(found.weights.astype(np.float64), masks, E)
    images = _make(model, asked, E, progress)
    e = _embed(images)
    response = model.region(asked.region, E)
    best = np.argsort(-response, kind="stable")[: asked.n]
    by_chance = np.random.default_rng([asked.seed, 9]).permutation(len(E))[: asked.n]
    natural, random = _frames(stimulus, best), _frames(stimulus, by_chance)
    judge = load_scene_classifier(len(KINDS), len(COLOURS))
    kinds = {
        name: classify_images(judge, x).kinds for name, x in (("", images), ("natural_", natural), ("random_", random))
    }
    return {f"{name}kinds": k for name, k in kinds.items()} | {
        "images": images,
        "predicted": model.region(asked.region, e),
        "natural": natural,
        "natural_predicted": response[best],
        "columns": found.columns,
        "of_voxels": ((e - model.centre) @ model.voxels).mean(0).astype(np.float32),
    }, {
        "by_region": {name: float(model.region(name, e).mean()) for name in masks},
        "simulated": dataset.simulated,
        "wanted": _wanted(dataset, asked, found, masks),
        "n_voxels": int(masks[asked.region].sum()),
    }


def _wanted(
    dataset: Dataset, asked: DriveAsked, found: VoxelCaptions, masks: Mapping[str, np.ndarray]
) -> dict[str, Any] | None:
    """The planted category of most of the region's voxels and its kinds, where known."""
    from brivl.analyses.voxel_captions.corpus import wanted_words

    preferred = getattr(dataset, "preferred_categories", None)
    if preferred is None:
        return None
    names, counts = np.unique(preferred(asked.subject)[found.columns][masks[asked.region]], return_counts=True)
    category = str(names[counts.argmax()])
    return {"category": category, "kinds": sorted(wanted_words(category))} if category else None


def _make(model: RegionModel, asked: DriveAsked, E: np.ndarray, progress: ProgressCallback) -> np.ndarray:
    """Pictures whose embedding the region's weights point at: drawn by the prior, then pulled."""
    from brivl.core.text.voxel_words import project_onto_images
    from brivl.models.generation.prior_initialisation import SteeringSettings, steer_image

    w = model.regions[asked.region]
    condition = _length_of_pictures(project_onto_images(w[:, None], E)[0], E)
    made = []
    for i in range(asked.n):
        progress(i, asked.n, f"Making images that drive {asked.region}")
        made.append(steer_image(w / np.linalg.norm(w), condition, asked.seed + i, SteeringSettings(n_steps=STEPS)))
    return np.stack(made)


def _length_of_pictures(direction: np.ndarray, E: np.ndarray) -> np.ndarray:
    """The unit vector made as long as pictures' embeddings usually are from their mean, which the prior knows."""
    return direction * np.linalg.norm(E - E.mean(0), axis=1).mean()


def _embed(images: np.ndarray) -> np.ndarray:
    from brivl.models.encoders.embedding import open_embedder

    return open_embedder(BRIVL_MINI).encode_images(images)


def _frames(stimulus: Any, rows: np.ndarray) -> np.ndarray:
    """The middle picture of each sample, small."""
    from brivl.data.stimuli.contact_sheet import sample_frames

    return sample_frames(stimulus, rows)


def _read(artifact: Artifact, asked: DriveAsked) -> Driven:
    a, info = artifact.arrays, artifact.info
    names = (
        "images",
        "predicted",
        "kinds",
        "natural",
        "natural_predicted",
        "natural_kinds",
        "random_kinds",
        "columns",
        "of_voxels",
    )
    return Driven(asked, **{name: a[name] for name in names}, by_region=info["by_region"], info=info)


def shares(driven: Driven) -> dict[str, float] | None:
    """Share of pictures in which the judge's surest kind is of the planted category: made, best natural, by chance."""
    wanted = driven.info["wanted"]
    if wanted is None:
        return None
    good = np.array([kind in wanted["kinds"] for kind in KINDS])
    found = (("made", driven.kinds), ("natural", driven.natural_kinds), ("random", driven.random_kinds))
    return {name: float(good[kinds.argmax(1)].mean()) for name, kinds in found}


def headline(driven: Driven) -> str:
    """What came out, in one sentence."""
    region, found = driven.asked.region, shares(driven)
    made, natural = driven.predicted.mean(), driven.natural_predicted.mean()
    said = (
        f"Images made for {region} should drive it {made:.1f} SD above its mean, the best of those shown {natural:.1f}"
    )
    if found is None:
        return said
    return (
        f"{said}; the judge sees the planted category ({driven.info['wanted']['category']}) in "
        f"{100 * found['made']:.0f} % (best shown: {100 * found['natural']:.0f} %, any shown: "
        f"{100 * found['random']:.0f} %)"
    )
