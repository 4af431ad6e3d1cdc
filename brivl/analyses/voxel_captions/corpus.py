"""The words and sentences that voxels may be given, as vectors of a model's text stream."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brivl.core.records import Stimulus
from brivl.errors import DataError
from brivl.scenes.captions import caption, with_article
from brivl.scenes.gallery import N_SCENES, gallery_scene
from brivl.scenes.things import ACTIONS, CATEGORY, COLOURS, KINDS
from brivl.store.artifacts import Store
from brivl.store.digests import file_digest, json_digest
from brivl.store.keys import ArtifactKey

if TYPE_CHECKING:
    from brivl.analyses.voxel_captions.compute import CaptionAsked

VERSION = 1
MOST_SENTENCES, MOST_WORDS = 20_000, 500
MOST_BYTES = 20_000_000
WORD = re.compile(r"[a-z][a-z'-]{2,}")


@dataclass(frozen=True)
class Corpus:
    """Words and sentences with their vectors (n, D) in the space of a model."""

    model: str
    words: list[str]
    word_vectors: np.ndarray
    sentences: list[str]
    vectors: np.ndarray


def wanted_words(category: str) -> frozenset[str]:
    """The words that name a planted category."""
    return frozenset(kind for kind in KINDS if CATEGORY[kind] == category)


def corpus_digest(path: str) -> str:
    """Digest of a corpus file, "" for none. Raises DataError where it cannot be read."""
    if not path:
        return ""
    try:
        return file_digest(Path(path))
    except OSError as error:
        raise DataError(
            f"Wanted sentences in {path!r}, one a line, and could not read it ({error.strerror})."
        ) from error


def corpus_of(store: Store, stimulus: Stimulus, asked: CaptionAsked) -> Corpus:
    """Of drawn or own pictures: the vocabulary of the scenes and captions of the gallery; of sentences: their own."""
    if asked.corpus:
        sentences = read_corpus(Path(asked.corpus))
        words = frequent_words(sentences)
    elif stimulus.kind == "text":
        sentences = list(dict.fromkeys(str(item) for item in stimulus.items))
        words = frequent_words(sentences)
    else:
        sentences = [caption(gallery_scene(i)) for i in range(N_SCENES)]
        words = scene_words()
    spoken = [with_article(word) if word in KINDS else word for word in words]
    return Corpus(
        asked.model, words, _vectors(store, spoken, asked.model), sentences, _vectors(store, sentences, asked.model)
    )


def scene_words() -> list[str]:
    """Kinds of things, their colours and what they do."""
    actions = [action for kind in KINDS for action in ACTIONS[kind] if action != "still"]
    return list(dict.fromkeys([*KINDS, *COLOURS, *actions]))


def frequent_words(sentences: list[str]) -> list[str]:
    """The words of three letters and more that are in two or more sentences but in no more than a tenth of them."""
    counts = Counter(word for sentence in sentences for word in set(WORD.findall(sentence.lower())))
    rare_enough = max(2, len(sentences) // 10)
    kept = [word for word, n in counts.most_common() if 2 <= n <= rare_enough]
    return kept[:MOST_WORDS] or sorted(counts)[:MOST_WORDS]


def read_corpus(path: Path) -> list[str]:
    """Distinct sentences of a text file. Raises DataError for one that is no text, too large, or has fewer than two."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"Wanted a file of up to {MOST_BYTES // 10**6} MB of sentences; {path.name!r} is larger.")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"Wanted sentences in {path.name!r}, one a line, in UTF-8, and could not read it.") from error
    found = list(dict.fromkeys(line.strip() for line in lines if line.strip()))[:MOST_SENTENCES]
    if len(found) < 2:
        raise DataError(f"Wanted two or more sentences in {path.name!r}, one a line, and found {len(found)}.")
    return found


def _vectors(store: Store, texts: list[str], model: str) -> np.ndarray:
    from brivl.models.encoders.embedding_digest import embedder_digest

    def embed() -> tuple[dict[str, np.ndarray], dict]:
        from brivl.models.encoders.embedding import open_embedder

        return {"vectors": open_embedder(model).encode_texts(texts)}, {"n": len(texts)}

    what = {"texts": json_digest(texts), "model": embedder_digest(model), "version": VERSION}
    return store.get_or_compute(ArtifactKey("text-embeddings", what), embed).arrays["vectors"]
