"""Do encoding models carry across language and vision? Stories against film, in one subject (Tang et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brivl.analyses.transfer.features import pairs_digest
from brivl.analyses.transfer.request import MODALITIES, Pair, TransferAsked, open_pair, sets_of_models
from brivl.core.encoding.presets import preset_settings
from brivl.core.inference.blocks import PermutationSettings, check_block_length
from brivl.core.progress import ProgressCallback, no_progress
from brivl.data.flatmaps import prepare_flatmap
from brivl.data.registry import open_dataset
from brivl.models.registry import model_digest
from brivl.store.artifacts import Artifact, Store
from brivl.store.keys import ArtifactKey

KIND, VERSION = "transfer", 2


@dataclass(frozen=True)
class Shared:
    """Principal components of the weights in multimodal voxels; all by component, largest first."""

    explained: np.ndarray
    agreement: np.ndarray  # r over voxels between the loadings of stories and film
    r: np.ndarray  # (2, n) mean r over these voxels of what goes through the component, film and stories predicted
    p: np.ndarray  # (2, n) of these
    words: list[tuple[list[str], list[str]]]  # at the high and the low end
    sheet: np.ndarray  # bytes of a WebP: `frames` tiles for each end of each component
    frames: int


@dataclass(frozen=True)
class Transfer:
    """Mean r over the voxels of each region, the whole first, by modality predicted and set of models."""

    asked: TransferAsked
    regions: list[str]
    n_voxels: list[int]
    scores: Mapping[tuple[str, str, str], np.ndarray]  # (set, modality, "within", "raw", "across", "p" or "q")
    better_p: Mapping[str, np.ndarray]  # modality -> one-sided p that the multimodal set carries better
    voxels: Mapping[str, np.ndarray]  # "columns", "sign", r of "within.MODALITY", "across.MODALITY"
    shared: Shared | None  # None where too few voxels carry both ways
    info: Mapping[str, Any]


def transfer_key(store: Store, asked: TransferAsked, pair: Pair | None = None) -> ArtifactKey:
    """Key of the answer. Raises RequestError for what cannot be asked."""
    settings = preset_settings(asked.preset)
    check_block_length(asked.block_s)
    PermutationSettings(asked.n_draws)
    models = {
        name: [[*s.vision, model_digest(s.vision[0], "image")], [*s.language, model_digest(s.language[0], "text")]]
        for name, s in sets_of_models(asked).items()
    }
    pairs = pairs_digest(asked.pairs, asked.n_pairs)
    how = {name: getattr(asked, name) for name in ("level", "block_s", "n_draws")}
    return ArtifactKey(
        KIND,
        {
            "data": [dataset.digest(asked.subject) for dataset in pair or open_pair(store, asked)],
            "models": models,
            "pairs": pairs,
            "preset": settings,
            "version": VERSION,
            **how,
        },
    )


def known_transfer(store: Store, asked: TransferAsked, pair: Pair | None = None) -> Transfer | None:
    """What is stored, None if nothing."""
    artifact = store.get(transfer_key(store, asked, pair))
    return None if artifact is None else _read(artifact, asked)


def transfer(store: Store, asked: TransferAsked, progress: ProgressCallback = no_progress) -> Transfer:
    """The answer, computed if need be."""
    from brivl.analyses.transfer.compute import compute

    pair = open_pair(store, asked, progress)
    key = transfer_key(store, asked, pair)
    return _read(store.get_or_compute(key, lambda: compute(store, asked, pair, progress)), asked)


def transfer_request(store: Store, asked: TransferAsked) -> dict[str, Any]:
    """The task of the worker."""
    return {"task": "transfer", "store": str(store.root), "asked": asdict(asked)}


def transfer_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Compute and keep, and prepare the map that the page shows voxels on."""
    store, asked = Store(Path(request["store"])), TransferAsked(**request["asked"])
    transfer(store, asked, progress)
    progress(1, 1, "Preparing the flatmap")
    prepare_flatmap(store, open_dataset(asked.dataset, store, progress), asked.subject)
    return {}


def _read(artifact: Artifact, asked: TransferAsked) -> Transfer:
    a, info = artifact.arrays, artifact.info
    scores = {(s, m, what): a[f"{s}.{m}.{what}"] for s, m, what in map(tuple, info["scores"])}
    voxels = {name: a[f"voxels.{name}"] for name in info["voxels"]}
    shared = None
    if "agreement" in a:
        words = [(high, low) for high, low in info["words"]]
        parts = (a[name] for name in ("explained", "agreement", "component_r", "component_p"))
        shared = Shared(*parts, words, a["sheet"], info["frames"])
    better = {m: a[f"better.{m}"] for m in MODALITIES}
    return Transfer(asked, info["regions"], info["n_voxels"], scores, better, voxels, shared, info)
