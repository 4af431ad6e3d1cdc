"""What BriVL-mini rests on when it compares a picture with words: computed by the worker, kept in the store."""

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
SCENE_SIDE = 64  # pixels at which scenes are drawn for the model, as in its training


@dataclass(frozen=True)
class Attention:
    """Relevance in both streams for every start layer s, at index s - 1, float32, not below 0.

    maps (n_image_layers, rows, columns): patches, for <image, phrase>. word_relevance (n_text_layers, n_words): words
    of the query, for <image, query>. n_words_read: words that lie within the model's token limit.
    """

    maps: np.ndarray
    word_relevance: np.ndarray
    words: tuple[Word, ...]
    phrase_similarity: float
    query_similarity: float
    n_words_read: int

    def map_from(self, start_layer: int) -> np.ndarray:
        """(rows, columns) of a start layer. Raises RequestError where there is none."""
        return self.maps[_index(start_layer, len(self.maps), "image")]

    def words_from(self, start_layer: int) -> np.ndarray:
        """(n_words,) shares of the words' relevance, together 1 (all 0 where there is none). Raises as map_from."""
        values = self.word_relevance[_index(start_layer, len(self.word_relevance), "text")]
        return values / values.sum() if values.sum() > 0 else values


def explain(store: Store, image: str | np.ndarray, query: str, phrase: str = "") -> Attention:
    """Explain a picture, by reference or as (H, W, 3) uint8, against a query and a phrase of it; computed once.

    An empty phrase stands for the whole query. Raises RequestError for an empty query or a picture that is not there.
    """
    pixels = _pixels(store, image)
    query, phrase = checked(query, phrase)
    return _read(store.get_or_compute(_key(pixels, query, phrase), lambda: _compute(pixels, query, phrase)), query)


def known_attention(store: Store, image: str, query: str, phrase: str = "") -> Attention | None:
    """What is stored of it, None if nothing. Light: no model is loaded. Raises as explain does."""
    query, phrase = checked(query, phrase)
    found = store.get(_key(_pixels(store, image), query, phrase))
    return None if found is None else _read(found, query)


def checked(query: str, phrase: str) -> tuple[str, str]:
    """Query and phrase without needless spaces, cut at MOST_CHARACTERS. Raises RequestError where no word is left."""
    query, phrase = (" ".join(text.split())[:MAX_QUERY_CHARACTERS] for text in (query, phrase))
    if not split_words(query):
        raise RequestError(f"Wanted words to look for and got {query[:40]!r}; write for example 'a red car'.")
    if phrase and not split_words(phrase):
        raise RequestError(f"Wanted a phrase with a word in it and got {phrase[:40]!r}; name a word of the query.")
    return query, phrase or query


def attend_request(store: Store, image: str, query: str, phrase: str) -> dict[str, Any]:
    """The task of the worker."""
    return {"task": "attend", "store": str(store.root), "image": image, "query": query, "phrase": phrase}


def attend_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Explain one picture, in the worker."""
    explain(Store(Path(request["store"])), request["image"], request["query"], request["phrase"])
    progress(1, 1, "Explained")
    return {}


def n_start_layers() -> dict[str, int]:
    """How many layers each stream of the model has: start layers count from 1 to these."""
    return dict(card_for(BRIVL_MINI).n_layers)


def evaluation_key(n_scenes: int | None) -> ArtifactKey:
    """Key of the pointing game on n held-out scenes."""
    digests = [model_digest(BRIVL_MINI, kind) for kind in ("image", "text")]
    return ArtifactKey("attention-eval", {"models": digests, "n_scenes": n_scenes, "version": ATTENTION_VERSION})


def evaluation(store: Store, n_scenes: int) -> dict[str, Any]:
    """The measure of brivl.train.attention_evaluation, computed once for each n."""

    def measure() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        from brivl.train.attention_evaluation import evaluate_attention

        return {"n_scenes": np.array(n_scenes)}, evaluate_attention(n_scenes)

    return dict(store.get_or_compute(evaluation_key(n_scenes), measure).info)


def known_evaluation(store: Store) -> dict[str, Any] | None:
    """The stored measure on most scenes that belongs to the present weights; None if there is none."""
    wanted = evaluation_key(None).ingredients
    stored = [
        m
        for m in store.list("attention-eval")
        if all(m["ingredients"].get(k) == wanted[k] for k in ("models", "version"))
    ]
    best = max(stored, key=lambda m: m["ingredients"]["n_scenes"], default=None)
    return None if best is None else dict(best["info"])


def _pixels(store: Store, image: str | np.ndarray) -> np.ndarray:
    return image if isinstance(image, np.ndarray) else referenced_image(store, image, SCENE_SIDE).image


def _key(pixels: np.ndarray, query: str, phrase: str) -> ArtifactKey:
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


def _compute(pixels: np.ndarray, query: str, phrase: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    from brivl.models.attention.query import explain_query

    found = asdict(explain_query(pixels, query, phrase))
    return {"patches": found.pop("patches"), "words": found.pop("words")}, found | {"query": query, "phrase": phrase}


def _read(found: Artifact, query: str) -> Attention:
    info, arrays = found.info, found.arrays
    numbers = (info["phrase_similarity"], info["query_similarity"], info["n_words_read"])
    return Attention(arrays["patches"], arrays["words"], split_words(query), *numbers)


def _index(start_layer: int, n_layers: int, stream: str) -> int:
    if not 1 <= start_layer <= n_layers:
        raise RequestError(
            f"The {stream} stream has start layers 1 to {n_layers}; {start_layer!r} was asked for. Choose one of these."
        )
    return start_layer - 1
