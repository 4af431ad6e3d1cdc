"""From brain to stimulus: embeddings decoded from responses, and which of N held-out stimuli they point at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brivl.core.decoding.identification import (
    CandidatePool,
    circular_shift_test,
    cumulative_order,
    nearest_candidates,
    true_ranks,
)
from brivl.core.encoding.presets import PRESETS, FitProtocol, preset_settings
from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.records import Design, Responses, Stimulus, Voxels
from brivl.data.dataset import Dataset, check_subject, stimulus_kind
from brivl.data.regions import available_parcellations, checked_parcellation, region_masks
from brivl.data.registry import open_dataset
from brivl.data.stimuli.contact_sheet import contact_sheet, item_images, sample_items, sample_sentences
from brivl.data.stimuli.embeddings import sample_embeddings
from brivl.errors import RequestError
from brivl.models.captioning.digests import CAPTIONERS, captioner_digest
from brivl.models.encoders.embedding_digest import embedder_digest
from brivl.store.artifacts import Artifact, Store
from brivl.store.keys import ArtifactKey

TEXT = "text"
MOST_CAPTIONED = 600


def text_candidates(
    stimulus: Stimulus, events: np.ndarray, model: str, progress: ProgressCallback
) -> tuple[list[str], np.ndarray | None]:
    """Words for each event, events (n_events, width) rows; and their embeddings where they are another space's.

    Of pictures: what the first captioner says of the middle frame, embedded by the model's text stream. Sentences are
    their own words and need no second space.
    """
    middle = events[:, events.shape[1] // 2]
    if stimulus.kind != "image":
        return sample_sentences(stimulus, middle), None
    items = sample_items(stimulus, middle)
    if len(items) > MOST_CAPTIONED or (items < 0).any():
        return [], None
    from brivl.models.captioning.captioners import caption_images, load_captioner
    from brivl.models.encoders.embedding import open_embedder

    progress(0, 1, "Captioning the held-out stimuli")
    texts = [said.text for said in caption_images(load_captioner(CAPTIONERS[0]), item_images(stimulus, items))]
    return texts, open_embedder(model).encode_texts(texts)


def shown_events(stimulus: Stimulus, events: np.ndarray) -> dict[str, np.ndarray]:
    """The middle frame of each event in one picture; nothing of sentences."""
    if stimulus.kind != "image":
        return {}
    sheet = contact_sheet(stimulus, events[:, events.shape[1] // 2])
    return {"sheet": np.frombuffer(sheet, np.uint8)}


KIND, VERSION = "decoding", 1
WHOLE = "all voxels"
FEWEST_VOXELS = 5  # of a region
MOST_STEPS = 12  # regions that are added one after the other
N_NEAREST = 5


@dataclass(frozen=True)
class DecodeRequest:
    """Whose responses, into which model's space, and how long a piece of film is to be told from others."""

    dataset: str
    subject: str
    model: str = "brivl-mini"
    level: str = ""  # of the regions (`places.Level`); "": the first that these voxels have
    preset: str = "strict"
    window_s: float = 6.0  # s of a time series that are one stimulus; sentences are one each


@dataclass(frozen=True)
class Decoded:
    """Ranks of the true stimuli.

    sets: name, kind ("whole", "region", "cumulative") and number of voxels of each set of voxels. By space ("image",
    "text"): ranks (n_sets, n_events), p (n_sets,), nearest (n_events, N_NEAREST). pool (n_events,): which stimuli
    compete.
    """

    asked: DecodeRequest
    sets: list[dict[str, Any]]
    ranks: Mapping[str, np.ndarray]
    p: Mapping[str, np.ndarray]
    nearest: Mapping[str, np.ndarray]
    pool: np.ndarray
    sheet: np.ndarray  # bytes of a WebP: the middle frame of each event; empty where these are sentences
    texts: list[str]  # the sentences, or a captioner's words for each event
    info: Mapping[str, Any]


def decode_key(store: Store, asked: DecodeRequest, dataset: Dataset | None = None) -> ArtifactKey:
    """Key of a decoding. Raises RequestError for an unknown preset, subject or model, or a window that cannot be."""
    settings = preset_settings(asked.preset)
    if not np.isfinite(asked.window_s) or not 0 < asked.window_s <= 600:
        raise RequestError(f"Wanted a window of more than 0 and up to 600 s and got {asked.window_s!r}.")
    dataset = dataset or open_dataset(asked.dataset, store)
    check_subject(dataset, asked.subject)
    if stimulus_kind(dataset, asked.subject) == "features":
        raise RequestError("Wanted pictures or sentences to decode, and this dataset brings only features of them.")
    return ArtifactKey(
        KIND,
        {
            "data": dataset.digest(asked.subject),
            "embedder": embedder_digest(asked.model),
            "captions": captioner_digest(CAPTIONERS[0]),
            "level": asked.level,
            "window_s": asked.window_s,
            "preset": settings,
            "version": VERSION,
        },
    )


def known_decoding(store: Store, asked: DecodeRequest, dataset: Dataset | None = None) -> Decoded | None:
    """What is stored, None if nothing."""
    artifact = store.get(decode_key(store, asked, dataset))
    return None if artifact is None else _read(artifact, asked)


def decode_stimuli(store: Store, asked: DecodeRequest, progress: ProgressCallback = no_progress) -> Decoded:
    """The decoding, computed if need be."""
    dataset = open_dataset(asked.dataset, store, progress)
    key = decode_key(store, asked, dataset)
    return _read(store.get_or_compute(key, lambda: _compute(store, asked, dataset, progress)), asked)


def decode_request(store: Store, asked: DecodeRequest) -> dict[str, Any]:
    """The task of the worker."""
    return {"task": "decode", "store": str(store.root), "asked": asdict(asked)}


def decode_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Compute and keep."""
    decode_stimuli(Store(Path(request["store"])), DecodeRequest(**request["asked"]), progress)
    return {}


def _compute(
    store: Store, asked: DecodeRequest, dataset: Dataset, progress: ProgressCallback
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    from brivl.core.encoding.voxel_selection import select_voxels

    stimulus, responses = dataset.stimulus(asked.subject), dataset.responses(asked.subject)
    protocol = FitProtocol(dataset.design(asked.subject), PRESETS[asked.preset])
    selected = select_voxels(responses, protocol.design, protocol.preset.ev_threshold).selected
    sets = sets_of(responses.voxels, selected, asked.level)
    E = sample_embeddings(store, stimulus, asked.model, progress)
    folds, names = _folds(responses, protocol, sets, E, progress)
    width = _width(asked, protocol.design)
    events = [_events(fold, width) for fold in folds]
    rows = np.concatenate([np.stack(found) for found in events])
    texts, vectors = text_candidates(stimulus, rows, asked.model, progress)
    candidates = {stimulus.kind: [_centred(E, fold, found) for fold, found in zip(folds, events, strict=True)]}
    if vectors is not None:
        ends = np.cumsum([len(found) for found in events])[:-1]
        candidates[TEXT] = [part - part.mean(0) for part in np.split(vectors, ends)]
    arrays = _scored(folds, events, candidates, len(names))
    arrays |= {"pool": np.repeat(np.arange(len(folds)), [len(found) for found in events])}
    return arrays | shown_events(stimulus, rows), {
        "sets": names,
        "spaces": list(candidates),
        "texts": texts,
        "kind": stimulus.kind,
        "n_pools": len(folds),
        "window": width,
        "tr": protocol.design.tr,
        "n_voxels": int(selected.sum()),
        "simulated": dataset.simulated,
        "smallest_p": float(arrays.pop("smallest")),
        "level": _level(responses.voxels, asked.level),
    }


def _level(voxels: Voxels, level: str) -> str:
    """The level of the regions, "" where nothing is known about these voxels and nothing was asked for."""
    return checked_parcellation(level, voxels) if level or available_parcellations(voxels) else ""


def sets_of(voxels: Voxels, selected: np.ndarray, level: str) -> dict[str, np.ndarray]:
    """Columns of all fitted voxels, then of each region with a few of them."""
    found = {WHOLE: np.flatnonzero(selected)}
    chosen = _level(voxels, level)
    masks = region_masks(voxels, chosen) if chosen else {}
    regions = {name: np.flatnonzero(inside & selected) for name, inside in masks.items()}
    return found | {name: columns for name, columns in regions.items() if len(columns) >= FEWEST_VOXELS}


@dataclass(frozen=True)
class _Fold:
    """One division: its rows, first rows of the held-out runs, and the predictions of each set of voxels."""

    train: np.ndarray
    test: np.ndarray
    onsets: np.ndarray
    predicted: list[np.ndarray]


def _folds(
    responses: Responses,
    protocol: FitProtocol,
    sets: Mapping[str, np.ndarray],
    E: np.ndarray,
    progress: ProgressCallback,
) -> tuple[list[_Fold], list[dict[str, Any]]]:
    """Predictions of each division, and what each set is. Regions are added in the order of the fit's own folds."""
    from brivl.core.decoding.ridge import advance_kernel, decode_embeddings, gram_matrix, row_onsets
    from brivl.core.encoding.cv_splits import cv_splits

    parts, folds = cv_splits(*protocol), []
    n_steps = min(MOST_STEPS, len(sets) - 1)
    total = len(parts) * (len(sets) + n_steps)
    orders = []
    for i, rows in enumerate(parts):
        K, found = {}, {}

        def tell(done: int, at: int = i) -> None:
            progress(at * (total // len(parts)) + done, total, "Decoding, region by region")

        for done, (name, columns) in enumerate(sets.items()):
            tell(done)
            K[name] = advance_kernel(gram_matrix(responses, columns, rows, protocol), rows, protocol)
            found[name] = decode_embeddings(K[name], E, rows, protocol)
        order = cumulative_order({name: one.inner_r2 for name, one in found.items() if name != WHOLE})[:n_steps]
        steps, so_far = [], np.zeros_like(K[WHOLE])
        for done, name in enumerate(order):
            tell(len(sets) + done)
            so_far = so_far + K[name]
            steps.append(decode_embeddings(so_far, E, rows, protocol))
        orders.append(order)
        onsets = row_onsets(rows, protocol.design) - len(rows.train)
        predicted = [one.predicted for one in [*found.values(), *steps]]
        folds.append(_Fold(rows.train, rows.test, onsets[onsets >= 0], predicted))
    return folds, _named(sets, orders)


def _named(sets: Mapping[str, np.ndarray], orders: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    kinds = ["whole"] + ["region"] * (len(sets) - 1)
    found = [
        {"name": name, "kind": kind, "n_voxels": len(columns)}
        for (name, columns), kind in zip(sets.items(), kinds, strict=True)
    ]
    for step, added in enumerate(zip(*orders, strict=True)):
        voxels = [sum(len(sets[name]) for name in order[: step + 1]) for order in orders]
        agreed = added[0] if len(set(added)) == 1 else " / ".join(dict.fromkeys(added))
        found.append({"name": f"+ {agreed}", "kind": "cumulative", "n_voxels": int(np.mean(voxels))})
    return found


def _width(asked: DecodeRequest, design: Design) -> int:
    return 1 if design.tr is None else max(1, round(asked.window_s / design.tr))


def _events(fold: _Fold, width: int) -> list[np.ndarray]:
    """Rows of the dataset that make up each held-out stimulus."""
    from brivl.core.decoding.ridge import split_into_windows

    found = [fold.test[rows] for rows in split_into_windows(fold.onsets, len(fold.test), width)]
    if len(found) < 2:
        raise RequestError(
            f"Wanted two or more held-out stimuli and {len(fold.test)} held-out samples hold {len(found)} windows of "
            f"{width}; choose a shorter window."
        )
    return found


def _centred(E: np.ndarray, fold: _Fold, events: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack([E[rows].mean(0) for rows in events]) - E[fold.train].mean(0)


def _scored(
    folds: Sequence[_Fold],
    events: Sequence[Sequence[np.ndarray]],
    candidates: Mapping[str, list[np.ndarray]],
    n_sets: int,
) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for space, parts in candidates.items():
        by_set = [_pools(folds, events, parts, which) for which in range(n_sets)]
        tests = [circular_shift_test(pools) for pools in by_set]
        starts = np.r_[0, np.cumsum([len(pool.events) for pool in by_set[0]])]
        near = [nearest_candidates(pool, N_NEAREST) + start for pool, start in zip(by_set[0], starts, strict=False)]
        arrays |= {
            f"{space}_ranks": np.stack([np.concatenate([true_ranks(pool) for pool in pools]) for pools in by_set]),
            f"{space}_p": np.array([test.p for test in tests]),
            f"{space}_nearest": _stacked(near),
            "smallest": np.array(tests[0].smallest_p),
        }
    return arrays


def _stacked(near: Sequence[np.ndarray]) -> np.ndarray:
    """Of pools with fewer than N_NEAREST candidates the rest is -1."""
    return np.concatenate([np.pad(x, ((0, 0), (0, N_NEAREST - x.shape[1])), constant_values=-1) for x in near])


def _pools(
    folds: Sequence[_Fold], events: Sequence[Sequence[np.ndarray]], candidates: Sequence[np.ndarray], which: int
) -> list[CandidatePool]:
    pools = []
    for fold, found, vectors in zip(folds, events, candidates, strict=True):
        place = {int(row): i for i, row in enumerate(fold.test)}
        local = [np.array([place[int(row)] for row in rows]) for rows in found]
        pools.append(CandidatePool(fold.predicted[which], vectors, local, fold.onsets))
    return pools


def _read(artifact: Artifact, asked: DecodeRequest) -> Decoded:
    a, info = artifact.arrays, artifact.info
    by_space = {what: {s: a[f"{s}_{what}"] for s in info["spaces"]} for what in ("ranks", "p", "nearest")}
    return Decoded(
        asked,
        info["sets"],
        by_space["ranks"],
        by_space["p"],
        by_space["nearest"],
        a["pool"],
        a.get("sheet", np.zeros(0, np.uint8)),
        info["texts"],
        info,
    )
