"""Words and sentences for voxels and regions: what drives them, in the words of an image-text model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brivl.analyses.voxel_captions.corpus import Corpus, corpus_digest, corpus_of, wanted_words
from brivl.analyses.voxel_captions.sentences import said_truth, write_sentences, writer_digest
from brivl.core.encoding.presets import PRESETS, FitProtocol, preset_settings
from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.records import Responses, Stimulus
from brivl.data.dataset import Dataset, check_subject, stimulus_kind
from brivl.data.regions import available_parcellations, region_masks
from brivl.data.registry import open_dataset
from brivl.data.stimuli.embeddings import sample_embeddings
from brivl.errors import RequestError
from brivl.models.encoders.embedding_digest import embedder_digest
from brivl.store.artifacts import Artifact, Store
from brivl.store.keys import ArtifactKey

KIND, VERSION = "voxel-captions", 3
N_WORDS, N_SENTENCES, N_PICTURES = 5, 3, 6
AT_ONCE = 4000  # voxels
FEWEST_VOXELS = 5  # of a region
WELL = 0.05  # held-out R2 above which a voxel counts as predicted


@dataclass(frozen=True)
class CaptionAsked:
    """Whose voxels, in whose words. corpus: a file with a sentence in each line; "": the model's own or the data's."""

    dataset: str
    subject: str
    model: str = "brivl-mini"
    preset: str = "strict"
    corpus: str = ""


@dataclass(frozen=True)
class VoxelCaptions:
    """What was found.

    columns (n,): which voxels; r2 (n,) held out; words and sentences (n, k): indices into `vocabulary` and `corpus`.
    written: what was written for each voxel, [] where the model's space has no writer. regions: name -> words,
    sentences, written, n_voxels, r2, rows of the pictures (or sentences) of largest prediction.
    """

    asked: CaptionAsked
    columns: np.ndarray
    r2: np.ndarray
    words: np.ndarray
    sentences: np.ndarray
    vocabulary: list[str]
    corpus: list[str]
    written: list[str]
    regions: dict[str, dict[str, Any]]
    weights: np.ndarray  # (D, n) float16, of the embedding
    sheet: np.ndarray  # bytes of a WebP: N_PICTURES frames for each region in turn; empty for sentences
    info: Mapping[str, Any]  # agreement, shuffled, truth (named, by_chance, n), kind, simulated


def caption_key(store: Store, asked: CaptionAsked, dataset: Dataset | None = None) -> ArtifactKey:
    """Key of the captions. Raises RequestError for what cannot be asked, DataError for a corpus that cannot be read."""
    settings = preset_settings(asked.preset)
    dataset = dataset or open_dataset(asked.dataset, store)
    check_subject(dataset, asked.subject)
    if stimulus_kind(dataset, asked.subject) == "features":
        raise RequestError("Wanted pictures or sentences, and this dataset brings only features of what was shown.")
    return ArtifactKey(
        KIND,
        {
            "data": dataset.digest(asked.subject),
            "embedder": embedder_digest(asked.model),
            "preset": settings,
            "corpus": corpus_digest(asked.corpus),
            "writer": writer_digest(asked.model),
            "version": VERSION,
        },
    )


def known_voxel_captions(store: Store, asked: CaptionAsked, dataset: Dataset | None = None) -> VoxelCaptions | None:
    """What is stored, None if nothing."""
    artifact = store.get(caption_key(store, asked, dataset))
    return None if artifact is None else _read(artifact, asked)


def caption_voxels(store: Store, asked: CaptionAsked, progress: ProgressCallback = no_progress) -> VoxelCaptions:
    """The captions, computed if need be."""
    dataset = open_dataset(asked.dataset, store, progress)
    key = caption_key(store, asked, dataset)
    return _read(store.get_or_compute(key, lambda: _compute(store, asked, dataset, progress)), asked)


def voxel_caption_request(store: Store, asked: CaptionAsked) -> dict[str, Any]:
    """The task of the worker."""
    return {"task": "voxel-captions", "store": str(store.root), "asked": asdict(asked)}


def voxel_caption_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Compute and keep."""
    caption_voxels(Store(Path(request["store"])), CaptionAsked(**request["asked"]), progress)
    return {}


def _compute(
    store: Store, asked: CaptionAsked, dataset: Dataset, progress: ProgressCallback
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    from brivl.core.encoding.voxel_selection import select_voxels
    from brivl.core.text.voxel_words import nearest_texts, project_onto_images

    stimulus, responses = dataset.stimulus(asked.subject), dataset.responses(asked.subject)
    protocol = FitProtocol(dataset.design(asked.subject), PRESETS[asked.preset])
    columns = np.flatnonzero(select_voxels(responses, protocol.design, protocol.preset.ev_threshold).selected)
    E = sample_embeddings(store, stimulus, asked.model, progress)
    W, r2 = _weights(E, responses, columns, protocol, progress)
    progress(0.9, 1, "Comparing with words and sentences")
    corpus = corpus_of(store, stimulus, asked)
    points = project_onto_images(W, E)
    words, _ = nearest_texts(points, corpus.word_vectors, N_WORDS)
    sentences, _ = nearest_texts(points, corpus.vectors, N_SENTENCES)
    progress(0.95, 1, "Writing sentences")
    written = write_sentences(points, asked.model)
    regions, shown = _regions(W, E, r2, responses, columns, corpus)
    info = {
        "regions": regions,
        "vocabulary": corpus.words,
        "corpus": corpus.sentences,
        "kind": stimulus.kind,
        "written": written,
        "simulated": dataset.simulated,
        "n_voxels": len(columns),
    } | _checked(corpus, sentences[:, 0], E, responses, columns, r2, protocol)
    info["truth"] = _truth(dataset, asked.subject, columns, words, corpus.words)
    if info["truth"] is not None and written:
        info["truth"] |= said_truth(written, dataset.preferred_categories(asked.subject)[columns])
    arrays = {
        "columns": columns,
        "r2": r2.astype(np.float32),
        "words": words,
        "sentences": sentences,
        "weights": W.astype(np.float16),
    }
    return arrays | _sheet(stimulus, shown), info


def _weights(
    E: np.ndarray, responses: Responses, columns: np.ndarray, protocol: FitProtocol, progress: ProgressCallback
) -> tuple[np.ndarray, np.ndarray]:
    from brivl.core.text.voxel_words import embedding_weights

    parts = []
    for start in range(0, len(columns), AT_ONCE):
        progress(0.9 * start / len(columns), 1, "Fitting embeddings to voxels")
        parts.append(embedding_weights(E, responses, columns[start : start + AT_ONCE], protocol))
    weights, scores = zip(*parts, strict=True)
    return np.concatenate(weights, axis=1), np.concatenate(scores)


def _regions(
    W: np.ndarray, E: np.ndarray, r2: np.ndarray, responses: Responses, columns: np.ndarray, corpus: Corpus
) -> tuple[dict[str, dict[str, Any]], np.ndarray]:
    """Words of each region's mean weight over the voxels that are predicted, and rows that it is driven by most."""
    from brivl.core.text.voxel_words import nearest_texts, project_onto_images

    levels = available_parcellations(responses.voxels)
    found, shown = {}, []
    for name, inside in (region_masks(responses.voxels, levels[0]) if levels else {}).items():
        here = np.flatnonzero(inside[columns] & (r2 > WELL))
        if len(here) < FEWEST_VOXELS:
            continue
        mean = W[:, here].mean(1, keepdims=True)
        point = project_onto_images(mean, E)
        (words,), _ = nearest_texts(point, corpus.word_vectors, N_WORDS)
        (sentences,), _ = nearest_texts(point, corpus.vectors, N_SENTENCES)
        rows = np.argsort(-(E @ mean[:, 0]), kind="stable")[:N_PICTURES]
        shown.append(rows)
        found[name] = {
            "words": [corpus.words[i] for i in words],
            "sentences": [corpus.sentences[i] for i in sentences],
            "written": next(iter(write_sentences(point, corpus.model)), ""),
            "n_voxels": len(here),
            "r2": float(r2[here].mean()),
            "rows": rows.tolist(),
        }
    return found, np.concatenate(shown) if shown else np.zeros(0, int)


def _checked(
    corpus: Corpus,
    best: np.ndarray,
    E: np.ndarray,
    responses: Responses,
    columns: np.ndarray,
    r2: np.ndarray,
    protocol: FitProtocol,
) -> dict[str, Any]:
    """Correlation of held-out responses with the likeness of picture and caption, and with another voxel's caption."""
    from brivl.core.text.voxel_words import caption_agreement

    design = protocol.design
    well = np.flatnonzero(r2 > WELL)
    if not design.n_test or responses.Y_test is None or len(well) < 2 or design.tr is not None:
        return {"agreement": None, "shuffled": None}
    vectors = corpus.vectors - corpus.vectors.mean(0)
    test = E[design.n_train :] - E[: design.n_train].mean(0)
    Y = np.asarray(responses.Y_test[:, :, columns[well]], np.float64).mean(0)
    own, others = caption_agreement(vectors[best[well]], test, Y)
    return {"agreement": own, "shuffled": others}


def _truth(
    dataset: Dataset, subject: str, columns: np.ndarray, words: np.ndarray, vocabulary: list[str]
) -> dict[str, Any] | None:
    """Share of selective voxels whose planted category is named, where one is known."""
    from brivl.core.text.voxel_words import fraction_named

    preferred = getattr(dataset, "preferred_categories", None)
    if preferred is None:
        return None
    planted = preferred(subject)[columns]
    here = np.flatnonzero(planted != "")
    wanted = [wanted_words(str(category)) for category in planted[here]]
    order = np.random.default_rng(0).permutation(len(here))
    by_category = {
        str(category): fraction_named(
            words[planted == category], vocabulary, [wanted_words(str(category))] * int((planted == category).sum())
        )
        for category in sorted(set(planted[here].tolist()))
    }
    return {
        "named": fraction_named(words[here], vocabulary, wanted),
        "n": len(here),
        "by_category": by_category,
        "by_chance": fraction_named(words[here][order], vocabulary, wanted),
    }


def _sheet(stimulus: Stimulus, rows: np.ndarray) -> dict[str, np.ndarray]:
    from brivl.data.stimuli.contact_sheet import contact_sheet

    if stimulus.kind != "image" or not len(rows):
        return {}
    return {"sheet": np.frombuffer(contact_sheet(stimulus, rows), np.uint8)}


def _read(artifact: Artifact, asked: CaptionAsked) -> VoxelCaptions:
    a, info = artifact.arrays, artifact.info
    return VoxelCaptions(
        asked,
        a["columns"],
        a["r2"],
        a["words"],
        a["sentences"],
        info["vocabulary"],
        info["corpus"],
        info["written"],
        info["regions"],
        a["weights"],
        a.get("sheet", np.zeros(0, np.uint8)),
        info,
    )
