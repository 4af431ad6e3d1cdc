"""Decode embeddings of stimuli from responses, and rank the held-out stimuli by how near they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from brivl.analyses.decoding.request import DecodingRequest
from brivl.analysis import Context, Stored
from brivl.core.decoding.identification import (
    CandidatePool,
    chance_accuracy,
    circular_shift_test,
    cumulative_order,
    identify,
    labels_of_equal,
    nearest_candidates,
)
from brivl.core.encoding.presets import PRESETS, FitProtocol
from brivl.core.progress import ProgressCallback
from brivl.core.records import Responses, Stimulus, Voxels
from brivl.data.regions import available_parcellations, checked_parcellation, region_masks
from brivl.data.stimuli.contact_sheet import contact_sheet, item_images, sample_items, sample_sentences
from brivl.data.stimuli.embeddings import sample_embeddings
from brivl.errors import RequestError
from brivl.models.captioning.digests import CAPTIONERS
from brivl.store.artifacts import Artifact

TEXT = "text"
MAX_CAPTIONED = 600  # stimuli
ALL_VOXELS = "all voxels"
MIN_VOXELS = 5  # of a region
MAX_STEPS = 12  # regions that are added one after the other
N_NEAREST = 5


@dataclass(frozen=True)
class VoxelSet:
    """A set of voxels that was decoded from: all, one region, or regions added up to here."""

    name: str
    kind: Literal["whole", "region", "cumulative"]
    n_voxels: int


@dataclass(frozen=True)
class DecodingResult:
    """Ranks of the true stimuli among the candidates.

    Attributes
    ----------
    sets : tuple of VoxelSet
        Sets of voxels, all voxels first.
    ranks : mapping
        Candidate space ("image", "text") -> (n_sets, n_stimuli) rank of the true stimulus, 0 is best, ties count half.
    ties : mapping
        Candidate space -> (n_sets, n_stimuli) other candidates that are as near as the true one.
    n_candidates : mapping
        Candidate space -> (n_pools,) different stimuli of each cross-validation split.
    chance : mapping
        Candidate space -> (n_sets, 3) pairwise, top-1 and top-5 accuracy of predictions assigned at random.
    p : mapping
        Candidate space -> (n_sets,) p value of pairwise accuracy.
    nearest : mapping
        Candidate space -> (n_stimuli, N_NEAREST) nearest candidates of the first set, -1 where there are fewer.
    pool : (n_stimuli,) array
        The cross-validation split of each stimulus; stimuli of one split compete.
    contact_sheet : array of uint8
        Bytes of a WebP with the middle frame of each stimulus; empty where these are sentences.
    texts : tuple of str
        The sentences, or the captions of the middle frames.
    stimulus_kind : str
        "image" or "text".
    window : int
        Samples of one stimulus.
    tr : float or None
        Seconds; None where there is one response per stimulus.
    n_voxels : int
        Voxels that were used.
    smallest_p : float
        The smallest p that the test can reach.
    simulated : bool
        Whether the data are simulated.
    """

    request: DecodingRequest
    sets: tuple[VoxelSet, ...]
    ranks: Mapping[str, np.ndarray]
    ties: Mapping[str, np.ndarray]
    n_candidates: Mapping[str, np.ndarray]
    chance: Mapping[str, np.ndarray]
    p: Mapping[str, np.ndarray]
    nearest: Mapping[str, np.ndarray]
    pool: np.ndarray
    contact_sheet: np.ndarray
    texts: tuple[str, ...]
    stimulus_kind: str
    window: int
    tr: float | None
    n_voxels: int
    smallest_p: float
    simulated: bool


def compute(context: Context, request: DecodingRequest) -> Stored:
    """Decode all held-out stimuli from each set of voxels.

    Parameters
    ----------
    context : Context
        Store, dataset and progress callback.
    request : DecodingRequest
        The request.

    Returns
    -------
    tuple
        Arrays and info of the stored result.

    Raises
    ------
    RequestError
        Where fewer than two stimuli are held out.
    """
    from brivl.core.encoding.voxel_selection import select_voxels

    dataset, progress = context.data, context.progress
    stimulus, responses = dataset.stimulus(request.subject), dataset.responses(request.subject)
    protocol = FitProtocol(dataset.design(request.subject), PRESETS[request.preset])
    selected = select_voxels(responses, protocol.design, protocol.preset.ev_threshold).selected
    columns = voxel_sets(responses.voxels, selected, request.level)
    E = sample_embeddings(context.store, stimulus, request.model, progress)
    folds, sets = _folds(responses, protocol, columns, E, progress)
    width = 1 if protocol.design.tr is None else max(1, round(request.window_s / protocol.design.tr))
    windows = [_windows(fold, width) for fold in folds]
    if protocol.design.nuisance is not None:  # there is rest, which is no stimulus to identify
        shown = np.asarray(stimulus.weights.sum(1)).ravel() > 0
        windows = [[window for window in of_fold if shown[window].any()] for of_fold in windows]
    rows = np.concatenate([np.stack(of_fold) for of_fold in windows])
    texts, vectors = _text_candidates(stimulus, rows, request.model, progress)
    candidates = {stimulus.kind: [_centred(E, fold, of_fold) for fold, of_fold in zip(folds, windows, strict=True)]}
    if vectors is not None:
        ends = np.cumsum([len(of_fold) for of_fold in windows])[:-1]
        parts = np.split(vectors, ends)
        if all(len(np.unique(labels_of_equal(part))) > 1 for part in parts):  # else captions tell nothing apart
            candidates[TEXT] = [part - part.mean(0) for part in parts]
    arrays = _ranked(folds, windows, candidates, len(sets))
    arrays |= {"pool": np.repeat(np.arange(len(folds)), [len(of_fold) for of_fold in windows])}
    smallest = float(arrays.pop("smallest"))
    return arrays | _contact_sheet(stimulus, rows), {
        "sets": [asdict(one) for one in sets],
        "spaces": list(candidates),
        "texts": texts,
        "kind": stimulus.kind,
        "n_pools": len(folds),
        "window": width,
        "tr": protocol.design.tr,
        "n_voxels": int(selected.sum()),
        "simulated": dataset.simulated,
        "smallest_p": smallest,
        "level": _level(responses.voxels, request.level),
    }


def _text_candidates(
    stimulus: Stimulus, windows: np.ndarray, model: str, progress: ProgressCallback
) -> tuple[list[str], np.ndarray | None]:
    """Words for each window (n_windows, width), and their embeddings where they are a second candidate space.

    Images are captioned by the first captioner (middle frame), and the captions embedded by the model's text stream.
    """
    middle = windows[:, windows.shape[1] // 2]
    if stimulus.kind != "image":
        return sample_sentences(stimulus, middle), None
    items = sample_items(stimulus, middle)
    if len(items) > MAX_CAPTIONED or (items < 0).any():
        return [], None
    from brivl.models.captioning.captioners import caption_images, load_captioner
    from brivl.models.encoders.embedding import open_embedder

    progress(0, 1, "Captioning the held-out stimuli")
    captions = caption_images(load_captioner(CAPTIONERS[0]), item_images(stimulus, items))
    texts = [caption.text for caption in captions]
    return texts, open_embedder(model).encode_texts(texts)


def _contact_sheet(stimulus: Stimulus, windows: np.ndarray) -> dict[str, np.ndarray]:
    """The middle frames of all windows in one image; nothing for sentences."""
    if stimulus.kind != "image":
        return {}
    return {"sheet": np.frombuffer(contact_sheet(stimulus, windows[:, windows.shape[1] // 2]), np.uint8)}


def _level(voxels: Voxels, level: str) -> str:
    """The parcellation, "" where these voxels have none and none is requested."""
    return checked_parcellation(level, voxels) if level or available_parcellations(voxels) else ""


def voxel_sets(voxels: Voxels, selected: np.ndarray, level: str) -> dict[str, np.ndarray]:
    """Find the voxels of the whole brain and of each region.

    Parameters
    ----------
    voxels : Voxels
        All voxels of the subject.
    selected : (n_voxels,) array of bool
        Voxels that are used.
    level : str
        Parcellation; "" for the first that these voxels have.

    Returns
    -------
    dict
        Name -> indices of voxels; `ALL_VOXELS` first, then regions of at least `MIN_VOXELS` voxels.
    """
    parcellation = _level(voxels, level)
    masks = region_masks(voxels, parcellation) if parcellation else {}
    regions = {name: np.flatnonzero(inside & selected) for name, inside in masks.items()}
    large = {name: indices for name, indices in regions.items() if len(indices) >= MIN_VOXELS}
    return {ALL_VOXELS: np.flatnonzero(selected), **large}


@dataclass(frozen=True)
class _Fold:
    """One cross-validation split: its rows, first rows of held-out runs, and predictions from each set of voxels."""

    train: np.ndarray
    test: np.ndarray
    onsets: np.ndarray
    predicted: list[np.ndarray]


def _folds(
    responses: Responses,
    protocol: FitProtocol,
    columns: Mapping[str, np.ndarray],
    E: np.ndarray,
    progress: ProgressCallback,
) -> tuple[list[_Fold], list[VoxelSet]]:
    """Predictions of each split, and the sets of voxels. Regions are added in the order of inner cross-validation."""
    from brivl.core.decoding.ridge import advance_kernel, decode_embeddings, gram_matrix, row_onsets
    from brivl.core.encoding.cv_splits import cv_splits

    splits, folds, orders = cv_splits(*protocol), [], []
    n_steps = min(MAX_STEPS, len(columns) - 1)
    per_split = len(columns) + n_steps
    for i, rows in enumerate(splits):

        def report(done: int, split: int = i) -> None:
            progress(split * per_split + done, len(splits) * per_split, "Decoding, region by region")

        kernels, decoded = {}, {}
        for done, (name, indices) in enumerate(columns.items()):
            report(done)
            kernels[name] = advance_kernel(gram_matrix(responses, indices, rows, protocol), rows, protocol)
            decoded[name] = decode_embeddings(kernels[name], E, rows, protocol)
        inner = {name: one.inner_r2 for name, one in decoded.items() if name != ALL_VOXELS}
        order = cumulative_order(inner)[:n_steps]
        cumulative, kernel = [], np.zeros_like(kernels[ALL_VOXELS])
        for done, name in enumerate(order):
            report(len(columns) + done)
            kernel = kernel + kernels[name]
            cumulative.append(decode_embeddings(kernel, E, rows, protocol))
        orders.append(order)
        onsets = row_onsets(rows, protocol.design) - len(rows.train)
        predicted = [one.predicted for one in [*decoded.values(), *cumulative]]
        folds.append(_Fold(rows.train, rows.test, onsets[onsets >= 0], predicted))
    return folds, _described(columns, orders)


def _described(columns: Mapping[str, np.ndarray], orders: Sequence[Sequence[str]]) -> list[VoxelSet]:
    """All sets of voxels in the order of the predictions; splits may differ in the order in which regions are added."""
    sets = [
        VoxelSet(name, "whole" if name == ALL_VOXELS else "region", len(indices)) for name, indices in columns.items()
    ]
    for step, added in enumerate(zip(*orders, strict=True)):
        counts = [sum(len(columns[name]) for name in order[: step + 1]) for order in orders]
        agreed = added[0] if len(set(added)) == 1 else " / ".join(dict.fromkeys(added))
        sets.append(VoxelSet(f"+ {agreed}", "cumulative", int(np.mean(counts))))
    return sets


def _windows(fold: _Fold, width: int) -> list[np.ndarray]:
    """Rows of the dataset that make up each held-out stimulus."""
    from brivl.core.decoding.ridge import split_into_windows

    windows = [fold.test[rows] for rows in split_into_windows(fold.onsets, len(fold.test), width)]
    if len(windows) < 2:
        raise RequestError(
            f"Expected two or more held-out stimuli, got {len(windows)} windows of {width} samples in {len(fold.test)} "
            "held-out samples. Choose a shorter window."
        )
    return windows


def _centred(E: np.ndarray, fold: _Fold, windows: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack([E[rows].mean(0) for rows in windows]) - E[fold.train].mean(0)


def _ranked(
    folds: Sequence[_Fold],
    windows: Sequence[Sequence[np.ndarray]],
    candidates: Mapping[str, list[np.ndarray]],
    n_sets: int,
) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for space, vectors in candidates.items():
        by_set = [_pools(folds, windows, vectors, index) for index in range(n_sets)]
        tests = [circular_shift_test(pools) for pools in by_set]
        starts = np.r_[0, np.cumsum([len(pool.events) for pool in by_set[0]])]
        near = [nearest_candidates(pool, N_NEAREST) + start for pool, start in zip(by_set[0], starts, strict=False)]
        identified = [[identify(pool) for pool in pools] for pools in by_set]
        chance = [chance_accuracy(pools) for pools in by_set]
        arrays |= {
            f"{space}_ranks": np.stack([np.concatenate([one.ranks for one in each]) for each in identified]),
            f"{space}_ties": np.stack([np.concatenate([one.ties for one in each]) for each in identified]),
            f"{space}_candidates": np.array([one.n_candidates for one in identified[0]]),
            f"{space}_chance": np.array([[one.pairwise, one.top_k[1], one.top_k[5]] for one in chance]),
            f"{space}_p": np.array([test.p for test in tests]),
            f"{space}_nearest": _padded(near),
            "smallest": np.array(tests[0].smallest_p),
        }
    return arrays


def _padded(near: Sequence[np.ndarray]) -> np.ndarray:
    """Pools with fewer than N_NEAREST candidates are filled with -1."""
    return np.concatenate([np.pad(x, ((0, 0), (0, N_NEAREST - x.shape[1])), constant_values=-1) for x in near])


def _pools(
    folds: Sequence[_Fold], windows: Sequence[Sequence[np.ndarray]], candidates: Sequence[np.ndarray], index: int
) -> list[CandidatePool]:
    pools = []
    for fold, of_fold, vectors in zip(folds, windows, candidates, strict=True):
        position = {int(row): i for i, row in enumerate(fold.test)}
        local = [np.array([position[int(row)] for row in rows]) for rows in of_fold]
        pools.append(CandidatePool(fold.predicted[index], vectors, local, fold.onsets))
    return pools


def read(artifacts: Sequence[Artifact], request: DecodingRequest) -> DecodingResult:
    """Read a stored decoding.

    Parameters
    ----------
    artifacts : sequence of Artifact
        The one stored part.
    request : DecodingRequest
        The request.

    Returns
    -------
    DecodingResult
        The result.
    """
    a, info = artifacts[0].arrays, artifacts[0].info
    spaces, counts = info["spaces"], np.bincount(a["pool"])
    by_space = {what: {s: a[f"{s}_{what}"] for s in spaces} for what in ("ranks", "p", "nearest")}
    # Results stored before ties and chance were computed had none of the former, and the chance of distinct stimuli.
    usual = np.array([0.5, *(float(np.minimum(k / counts, 1) @ counts / counts.sum()) for k in (1, 5))])
    n_sets = len(info["sets"])
    return DecodingResult(
        request=request,
        sets=tuple(VoxelSet(**one) for one in info["sets"]),
        ranks=by_space["ranks"],
        ties={s: a.get(f"{s}_ties", np.zeros_like(a[f"{s}_ranks"])) for s in spaces},
        n_candidates={s: a.get(f"{s}_candidates", counts) for s in spaces},
        chance={s: a.get(f"{s}_chance", np.tile(usual, (n_sets, 1))) for s in spaces},
        p=by_space["p"],
        nearest=by_space["nearest"],
        pool=a["pool"],
        contact_sheet=a.get("sheet", np.zeros(0, np.uint8)),
        texts=tuple(info["texts"]),
        stimulus_kind=info["kind"],
        window=info["window"],
        tr=info["tr"],
        n_voxels=info["n_voxels"],
        smallest_p=info["smallest_p"],
        simulated=bool(info["simulated"]),
    )
