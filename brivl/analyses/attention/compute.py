"""Relevance of patches and words for the similarity of an image and a text, and the pointing game that checks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brivl.core.progress import ProgressCallback
from brivl.core.retrieval.query_words import MAX_QUERY_CHARACTERS, Word, split_words
from brivl.data.stimuli.images import referenced_image
from brivl.errors import RequestError
from brivl.models.registry import BRIVL_MINI, card_for, model_digest
from brivl.store.artifacts import Artifact, Store
from brivl.store.digests import array_digest
from brivl.store.keys import ArtifactKey

ATTENTION_VERSION = 1
EVALUATION = "attention-eval"  # task and kind of stored result
N_EVALUATION_SCENES = 100  # of the pointing game that the page starts
SCENE_SIDE = 64  # pixels at which scenes are drawn for the model, as in its training


@dataclass(frozen=True)
class Attention:
    """Relevance in both streams for every start layer, which is at the index of its number less 1.

    Attributes
    ----------
    maps : (n_image_layers, rows, columns) array of float32
        Relevance of patches for the similarity of image and phrase, not negative.
    word_relevance : (n_text_layers, n_words) array of float32
        Relevance of the words of the query for the similarity of image and query, not negative.
    words : tuple of Word
        Words of the query.
    phrase_similarity, query_similarity : float
        Cosine of the embeddings of image and phrase, and of image and query.
    n_words_read : int
        Words that lie within the model's token limit.
    """

    maps: np.ndarray
    word_relevance: np.ndarray
    words: tuple[Word, ...]
    phrase_similarity: float
    query_similarity: float
    n_words_read: int

    def map_from(self, start_layer: int) -> np.ndarray:
        """Give the map of a start layer.

        Parameters
        ----------
        start_layer : int
            First layer whose attention is used, counted from 1.

        Returns
        -------
        (rows, columns) array
            Relevance of patches.

        Raises
        ------
        RequestError
            Where there is no such layer.
        """
        return self.maps[_index(start_layer, len(self.maps), "image")]

    def words_from(self, start_layer: int) -> np.ndarray:
        """Give the relevance of words from a start layer on.

        Parameters
        ----------
        start_layer : int
            First layer whose attention is used, counted from 1.

        Returns
        -------
        (n_words,) array
            Fractions of the relevance, which add up to 1; all 0 where there is no relevance.

        Raises
        ------
        RequestError
            Where there is no such layer.
        """
        values = self.word_relevance[_index(start_layer, len(self.word_relevance), "text")]
        return values / values.sum() if values.sum() > 0 else values


def explain(store: Store, image: str | np.ndarray, query: str, phrase: str = "") -> Attention:
    """Explain the similarity of an image and a query; computed once.

    Parameters
    ----------
    store : Store
        Where results are kept.
    image : str or (H, W, 3) array of uint8
        Reference of an image, or its pixels.
    query : str
        English words.
    phrase : str
        The phrase whose map is computed; "" for the whole query.

    Returns
    -------
    Attention
        Relevance of patches and words.

    Raises
    ------
    RequestError
        For a query without words, or an image that is not there.
    """
    pixels = _pixels(store, image)
    query, phrase = check_query(query, phrase)
    key = attention_key(pixels, query, phrase)
    return read_attention(store.get_or_compute(key, lambda: compute_arrays(pixels, query, phrase)), query)


def stored_attention(store: Store, image: str, query: str, phrase: str = "") -> Attention | None:
    """Look up an explanation; no model is loaded.

    Parameters
    ----------
    store : Store
        Where results are kept.
    image : str
        Reference of an image.
    query, phrase : str
        As in `explain`.

    Returns
    -------
    Attention or None
        None where it is not stored.

    Raises
    ------
    RequestError
        For a query without words, or an image that is not there.
    """
    query, phrase = check_query(query, phrase)
    artifact = store.get(attention_key(_pixels(store, image), query, phrase))
    return None if artifact is None else read_attention(artifact, query)


def check_query(query: str, phrase: str) -> tuple[str, str]:
    """Remove needless spaces from query and phrase, and cut both at MAX_QUERY_CHARACTERS.

    Parameters
    ----------
    query : str
        The query.
    phrase : str
        The phrase; "" for the whole query.

    Returns
    -------
    tuple of str
        Query and phrase.

    Raises
    ------
    RequestError
        Where no word is left.
    """
    query, phrase = (" ".join(text.split())[:MAX_QUERY_CHARACTERS] for text in (query, phrase))
    if not split_words(query):
        raise RequestError(f"Expected a query with words, got {query[:40]!r}. Write for example 'a red car'.")
    if phrase and not split_words(phrase):
        raise RequestError(f"Expected a phrase with a word, got {phrase[:40]!r}. Name a word of the query.")
    return query, phrase or query


def n_start_layers() -> dict[str, int]:
    """Count the layers of each stream, from which relevance can start.

    Returns
    -------
    dict
        "image" and "text": number of layers.
    """
    return {str(kind): n for kind, n in card_for(BRIVL_MINI).n_layers.items()}


def evaluation_key(n_scenes: int | None) -> ArtifactKey:
    """Make the key of the pointing game.

    Parameters
    ----------
    n_scenes : int or None
        Number of held-out scenes.

    Returns
    -------
    ArtifactKey
        Made of the weights and the number of scenes.
    """
    digests = [model_digest(BRIVL_MINI, kind) for kind in ("image", "text")]
    return ArtifactKey(EVALUATION, {"models": digests, "n_scenes": n_scenes, "version": ATTENTION_VERSION})


def evaluation(store: Store, n_scenes: int) -> dict[str, Any]:
    """Play the pointing game on held-out scenes; computed once for each number of scenes.

    Parameters
    ----------
    store : Store
        Where results are kept.
    n_scenes : int
        Number of scenes.

    Returns
    -------
    dict
        What `brivl.train.attention_evaluation.evaluate_attention` measures.
    """

    def measure() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        from brivl.train.attention_evaluation import evaluate_attention

        return {"n_scenes": np.array(n_scenes)}, evaluate_attention(n_scenes)

    return dict(store.get_or_compute(evaluation_key(n_scenes), measure).info)


def stored_evaluation(store: Store) -> dict[str, Any] | None:
    """Look up the pointing game on the largest number of scenes.

    Parameters
    ----------
    store : Store
        Where results are kept.

    Returns
    -------
    dict or None
        None where none is stored for the present weights.
    """
    present = evaluation_key(None).ingredients
    stored = [
        m for m in store.list(EVALUATION) if all(m["ingredients"].get(k) == present[k] for k in ("models", "version"))
    ]
    best = max(stored, key=lambda m: m["ingredients"]["n_scenes"], default=None)
    return None if best is None else dict(best["info"])


def evaluation_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Play the pointing game in a worker.

    Parameters
    ----------
    request : mapping
        JSON values: "store" and "n_scenes".
    progress : callable
        Progress callback.

    Returns
    -------
    dict
        Nothing: the result is in the store.
    """
    progress(0, 1, f"Pointing game on {request['n_scenes']} scenes")
    evaluation(Store(Path(request["store"])), int(request["n_scenes"]))
    return {}


def _pixels(store: Store, image: str | np.ndarray) -> np.ndarray:
    return image if isinstance(image, np.ndarray) else referenced_image(store, image, SCENE_SIDE).image


def attention_key(pixels: np.ndarray, query: str, phrase: str) -> ArtifactKey:
    """Make the key of an explanation.

    Parameters
    ----------
    pixels : (H, W, 3) array of uint8
        The image.
    query, phrase : str
        As `check_query` gives them.

    Returns
    -------
    ArtifactKey
        Made of the pixels, the texts and the weights.
    """
    digests = [model_digest(BRIVL_MINI, kind) for kind in ("image", "text")]
    return ArtifactKey(
        "attention",
        {
            "image": array_digest(pixels),
            "query": query,
            "phrase": phrase,
            "models": digests,
            "version": ATTENTION_VERSION,
        },
    )


def compute_arrays(pixels: np.ndarray, query: str, phrase: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Compute an explanation.

    Parameters
    ----------
    pixels : (H, W, 3) array of uint8
        The image.
    query, phrase : str
        As `check_query` gives them.

    Returns
    -------
    tuple
        Arrays and info of the stored result.
    """
    from brivl.models.attention.query import explain_query

    relevance = asdict(explain_query(pixels, query, phrase))
    arrays = {name: relevance.pop(name) for name in ("patches", "words")}
    return arrays, relevance | {"query": query, "phrase": phrase}


def read_attention(artifact: Artifact, query: str) -> Attention:
    """Read a stored explanation.

    Parameters
    ----------
    artifact : Artifact
        The stored result.
    query : str
        The query.

    Returns
    -------
    Attention
        Relevance of patches and words.
    """
    info, arrays = artifact.info, artifact.arrays
    numbers = (info["phrase_similarity"], info["query_similarity"], info["n_words_read"])
    return Attention(arrays["patches"], arrays["words"], split_words(query), *numbers)


def _index(start_layer: int, n_layers: int, stream: str) -> int:
    if not 1 <= start_layer <= n_layers:
        raise RequestError(
            f"Expected a start layer of the {stream} stream from 1 to {n_layers}, got {start_layer!r}. Choose one of "
            "these."
        )
    return start_layer - 1
