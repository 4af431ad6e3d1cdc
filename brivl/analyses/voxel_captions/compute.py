"""Words and sentences for voxels and regions, from encoding weights in an image-text embedding space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brivl.analyses.voxel_captions.corpus import Corpus, category_words, load_corpus
from brivl.analyses.voxel_captions.request import VoxelCaptionsRequest
from brivl.analyses.voxel_captions.sentences import generate_sentences, sentence_truth
from brivl.analysis import Context, Stored
from brivl.core.encoding.presets import PRESETS, FitProtocol
from brivl.core.progress import ProgressCallback
from brivl.core.records import Responses, Stimulus
from brivl.data.dataset import Dataset
from brivl.data.regions import available_parcellations, region_masks
from brivl.data.stimuli.embeddings import sample_embeddings
from brivl.store.artifacts import Artifact

N_WORDS, N_SENTENCES, N_IMAGES = 5, 3, 6
BATCH = 4000  # voxels that are fitted at once
MIN_VOXELS = 5  # of a region
MIN_R2 = 0.05  # held-out R2 above which a voxel counts as predicted


@dataclass(frozen=True)
class RegionCaption:
    """Captions of a region from the mean weights of its predicted voxels.

    Attributes
    ----------
    words : tuple of str
        Nearest words, nearest first.
    sentences : tuple of str
        Nearest sentences of the corpus.
    generated : str
        Sentence of the caption decoder; "" where the space has none.
    n_voxels : int
        Predicted voxels.
    r2 : float
        Their mean held-out R2.
    rows : tuple of int
        Samples with the largest predicted response.
    """

    words: tuple[str, ...]
    sentences: tuple[str, ...]
    generated: str
    n_voxels: int
    r2: float
    rows: tuple[int, ...]


@dataclass(frozen=True)
class VoxelCaptionsResult:
    """Captions of voxels and regions.

    Attributes
    ----------
    voxel_indices : (n,) array of int
        Voxels that were fitted.
    r2 : (n,) array
        Held-out R2.
    words, sentences : (n, k) arrays of int
        Indices into `vocabulary` and `corpus`, nearest first.
    generated : tuple of str
        Sentence of the caption decoder for each voxel; () where the space has none.
    weights : (D, n) array of float16
        Encoding weights of the embedding.
    contact_sheet : array of uint8
        Bytes of a WebP with N_IMAGES images for each region in turn; empty for sentences.
    stimulus_kind : str
        "image" or "text".
    agreement, shuffled : float or None
        Correlation of held-out responses with the similarity of image and caption, and of another voxel's caption.
    truth : mapping or None
        Fractions of selective voxels whose planted category is named, where the truth is known.
    simulated : bool
        Whether the data are simulated.
    """

    request: VoxelCaptionsRequest
    voxel_indices: np.ndarray
    r2: np.ndarray
    words: np.ndarray
    sentences: np.ndarray
    vocabulary: tuple[str, ...]
    corpus: tuple[str, ...]
    generated: tuple[str, ...]
    regions: Mapping[str, RegionCaption]
    weights: np.ndarray
    contact_sheet: np.ndarray
    stimulus_kind: str
    agreement: float | None
    shuffled: float | None
    truth: Mapping[str, Any] | None
    simulated: bool


def compute(context: Context, request: VoxelCaptionsRequest) -> Stored:
    """Fit embedding weights, and compare them with words and sentences.

    Parameters
    ----------
    context : Context
        Store, dataset and progress callback.
    request : VoxelCaptionsRequest
        The request.

    Returns
    -------
    tuple
        Arrays and info of the stored result.
    """
    from brivl.core.encoding.voxel_selection import select_voxels
    from brivl.core.text.voxel_words import nearest_texts, project_onto_images

    store, dataset, progress = context.store, context.data, context.progress
    stimulus, responses = dataset.stimulus(request.subject), dataset.responses(request.subject)
    protocol = FitProtocol(dataset.design(request.subject), PRESETS[request.preset])
    indices = np.flatnonzero(select_voxels(responses, protocol.design, protocol.preset.ev_threshold).selected)
    E = sample_embeddings(store, stimulus, request.model, progress)
    W, r2 = _weights(E, responses, indices, protocol, progress)
    progress(0.9, 1, "Comparing with words and sentences")
    corpus = load_corpus(store, stimulus, request.model, request.corpus)
    points = project_onto_images(W, E)
    words, _ = nearest_texts(points, corpus.word_vectors, N_WORDS)
    sentences, _ = nearest_texts(points, corpus.vectors, N_SENTENCES)
    progress(0.95, 1, "Generating sentences")
    generated = generate_sentences(points, request.model)
    regions, shown = _regions(W, E, r2, responses, indices, corpus)
    info = {
        "regions": regions,
        "vocabulary": corpus.words,
        "corpus": corpus.sentences,
        "kind": stimulus.kind,
        "written": generated,
        "simulated": dataset.simulated,
        "n_voxels": len(indices),
    } | _agreement(corpus, sentences[:, 0], E, responses, indices, r2, protocol)
    info["truth"] = _truth(dataset, request.subject, indices, words, corpus.words)
    if info["truth"] is not None and generated:
        info["truth"] |= sentence_truth(generated, dataset.preferred_categories(request.subject)[indices])
    arrays: dict[str, np.ndarray] = {
        "columns": indices,
        "r2": r2.astype(np.float32),
        "words": words,
        "sentences": sentences,
        "weights": W.astype(np.float16),
    }
    return arrays | _contact_sheet(stimulus, shown), info


def _weights(
    E: np.ndarray, responses: Responses, indices: np.ndarray, protocol: FitProtocol, progress: ProgressCallback
) -> tuple[np.ndarray, np.ndarray]:
    from brivl.core.text.voxel_words import embedding_weights

    parts = []
    for start in range(0, len(indices), BATCH):
        progress(0.9 * start / len(indices), 1, "Fitting embeddings to voxels")
        parts.append(embedding_weights(E, responses, indices[start : start + BATCH], protocol))
    weights, scores = zip(*parts, strict=True)
    return np.concatenate(weights, axis=1), np.concatenate(scores)


def _regions(
    W: np.ndarray, E: np.ndarray, r2: np.ndarray, responses: Responses, indices: np.ndarray, corpus: Corpus
) -> tuple[dict[str, dict[str, Any]], np.ndarray]:
    """Captions of each region from the mean weight of its predicted voxels, and rows with the largest prediction."""
    from brivl.core.text.voxel_words import nearest_texts, project_onto_images

    levels = available_parcellations(responses.voxels)
    captions, shown = {}, []
    for name, inside in (region_masks(responses.voxels, levels[0]) if levels else {}).items():
        here = np.flatnonzero(inside[indices] & (r2 > MIN_R2))
        if len(here) < MIN_VOXELS:
            continue
        mean = W[:, here].mean(1, keepdims=True)
        point = project_onto_images(mean, E)
        (words,), _ = nearest_texts(point, corpus.word_vectors, N_WORDS)
        (sentences,), _ = nearest_texts(point, corpus.vectors, N_SENTENCES)
        rows = np.argsort(-(E @ mean[:, 0]), kind="stable")[:N_IMAGES]
        shown.append(rows)
        captions[name] = {
            "words": [corpus.words[i] for i in words],
            "sentences": [corpus.sentences[i] for i in sentences],
            "written": next(iter(generate_sentences(point, corpus.model)), ""),
            "n_voxels": len(here),
            "r2": float(r2[here].mean()),
            "rows": rows.tolist(),
        }
    return captions, np.concatenate(shown) if shown else np.zeros(0, int)


def _agreement(
    corpus: Corpus,
    best: np.ndarray,
    E: np.ndarray,
    responses: Responses,
    indices: np.ndarray,
    r2: np.ndarray,
    protocol: FitProtocol,
) -> dict[str, Any]:
    """Correlation of held-out responses with the similarity of image and caption, and of another voxel's caption."""
    from brivl.core.text.voxel_words import caption_agreement

    design = protocol.design
    predicted = np.flatnonzero(r2 > MIN_R2)
    if not design.n_test or responses.Y_test is None or len(predicted) < 2 or design.tr is not None:
        return {"agreement": None, "shuffled": None}
    vectors = corpus.vectors - corpus.vectors.mean(0)
    test = E[design.n_train :] - E[: design.n_train].mean(0)
    Y = np.asarray(responses.Y_test[:, :, indices[predicted]], np.float64).mean(0)
    own, others = caption_agreement(vectors[best[predicted]], test, Y)
    return {"agreement": own, "shuffled": others}


def _truth(
    dataset: Dataset, subject: str, indices: np.ndarray, words: np.ndarray, vocabulary: list[str]
) -> dict[str, Any] | None:
    """Fraction of selective voxels whose planted category is among their words, where the truth is known."""
    from brivl.core.text.voxel_words import fraction_named

    preferred = getattr(dataset, "preferred_categories", None)
    if preferred is None:
        return None
    planted = preferred(subject)[indices]
    selective = np.flatnonzero(planted != "")
    names = [category_words(str(category)) for category in planted[selective]]
    order = np.random.default_rng(0).permutation(len(selective))
    by_category = {
        str(category): fraction_named(
            words[planted == category], vocabulary, [category_words(str(category))] * int((planted == category).sum())
        )
        for category in sorted(set(planted[selective].tolist()))
    }
    return {
        "named": fraction_named(words[selective], vocabulary, names),
        "n": len(selective),
        "by_category": by_category,
        "by_chance": fraction_named(words[selective][order], vocabulary, names),
    }


def _contact_sheet(stimulus: Stimulus, rows: np.ndarray) -> dict[str, np.ndarray]:
    from brivl.data.stimuli.contact_sheet import contact_sheet

    if stimulus.kind != "image" or not len(rows):
        return {}
    return {"sheet": np.frombuffer(contact_sheet(stimulus, rows), np.uint8)}


def read(artifacts: Sequence[Artifact], request: VoxelCaptionsRequest) -> VoxelCaptionsResult:
    """Read stored voxel captions.

    Parameters
    ----------
    artifacts : sequence of Artifact
        The one stored part.
    request : VoxelCaptionsRequest
        The request.

    Returns
    -------
    VoxelCaptionsResult
        The result.
    """
    a, info = artifacts[0].arrays, artifacts[0].info
    return VoxelCaptionsResult(
        request=request,
        voxel_indices=a["columns"],
        r2=a["r2"],
        words=a["words"],
        sentences=a["sentences"],
        vocabulary=tuple(info["vocabulary"]),
        corpus=tuple(info["corpus"]),
        generated=tuple(info["written"]),
        regions={name: _region(one) for name, one in info["regions"].items()},
        weights=a["weights"],
        contact_sheet=a.get("sheet", np.zeros(0, np.uint8)),
        stimulus_kind=info["kind"],
        agreement=info["agreement"],
        shuffled=info["shuffled"],
        truth=info["truth"],
        simulated=bool(info["simulated"]),
    )


def _region(one: Mapping[str, Any]) -> RegionCaption:
    return RegionCaption(
        tuple(one["words"]), tuple(one["sentences"]), one["written"], one["n_voxels"], one["r2"], tuple(one["rows"])
    )
