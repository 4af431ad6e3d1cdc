"""The words and sentences that voxels are captioned with, embedded by a model's text stream."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brivl.core.records import Stimulus
from brivl.errors import DataError
from brivl.scenes.captions import caption, with_article
from brivl.scenes.gallery import N_SCENES, gallery_scene
from brivl.scenes.things import ACTIONS, CATEGORY, COLOURS, KINDS
from brivl.store.artifacts import Store
from brivl.store.digests import file_digest, json_digest
from brivl.store.keys import ArtifactKey

VERSION = 1
MAX_SENTENCES, MAX_WORDS = 20_000, 500
MAX_BYTES = 20_000_000
WORD = re.compile(r"[a-z][a-z'-]{2,}")


@dataclass(frozen=True)
class Corpus:
    """Words and sentences with their vectors (n, D) in the embedding space of a model."""

    model: str
    words: list[str]
    word_vectors: np.ndarray
    sentences: list[str]
    vectors: np.ndarray


def category_words(category: str) -> frozenset[str]:
    """Find the words that name a planted category.

    Parameters
    ----------
    category : str
        Name of the category.

    Returns
    -------
    frozenset of str
        Kinds of things.
    """
    return frozenset(kind for kind in KINDS if CATEGORY[kind] == category)


def corpus_digest(path: str) -> str:
    """Make the digest of a corpus file.

    Parameters
    ----------
    path : str
        The file; "" for none.

    Returns
    -------
    str
        64 hex digits, "" for no file.

    Raises
    ------
    DataError
        Where the file cannot be read.
    """
    if not path:
        return ""
    try:
        return file_digest(Path(path))
    except OSError as error:
        raise DataError(
            f"Expected a text file with one sentence per line, could not read {path!r} ({error.strerror}). Check it."
        ) from error


def load_corpus(store: Store, stimulus: Stimulus, model: str, path: str = "") -> Corpus:
    """Collect words and sentences with their embeddings.

    Parameters
    ----------
    store : Store
        Where embeddings are kept.
    stimulus : Stimulus
        The stimuli: sentences are their own corpus; for images it is the captions of the shipped gallery.
    model : str
        Whose embedding space.
    path : str
        A file with one sentence per line that is used instead; "" for none.

    Returns
    -------
    Corpus
        Words and sentences.

    Raises
    ------
    DataError
        For a file that cannot be used.
    """
    if path:
        sentences = read_corpus(Path(path))
        words = frequent_words(sentences)
    elif stimulus.kind == "text":
        sentences = list(dict.fromkeys(str(item) for item in stimulus.items))
        words = frequent_words(sentences)
    else:
        sentences = [caption(gallery_scene(i)) for i in range(N_SCENES)]
        words = scene_words()
    phrases = [with_article(word) if word in KINDS else word for word in words]
    return Corpus(model, words, _vectors(store, phrases, model), sentences, _vectors(store, sentences, model))


def scene_words() -> list[str]:
    """List the vocabulary of drawn scenes.

    Returns
    -------
    list of str
        Kinds of things, colours and actions.
    """
    actions = [action for kind in KINDS for action in ACTIONS[kind] if action != "still"]
    return list(dict.fromkeys([*KINDS, *COLOURS, *actions]))


def frequent_words(sentences: list[str]) -> list[str]:
    """Find words that are neither rare nor in most sentences.

    Parameters
    ----------
    sentences : list of str
        The sentences.

    Returns
    -------
    list of str
        Words of three letters and more in at least two sentences and at most a tenth of them, most frequent first.
    """
    counts = Counter(word for sentence in sentences for word in set(WORD.findall(sentence.lower())))
    limit = max(2, len(sentences) // 10)
    kept = [word for word, n in counts.most_common() if 2 <= n <= limit]
    return kept[:MAX_WORDS] or sorted(counts)[:MAX_WORDS]


def read_corpus(path: Path) -> list[str]:
    """Read distinct sentences from a text file.

    Parameters
    ----------
    path : Path
        The file, one sentence per line.

    Returns
    -------
    list of str
        At most MAX_SENTENCES sentences.

    Raises
    ------
    DataError
        For a file that is not UTF-8 text, too large, or has fewer than two sentences.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(
                f"Expected up to {MAX_BYTES // 10**6} MB of sentences, got a larger file {path.name!r}. Shorten it."
            )
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"Expected a UTF-8 text file with one sentence per line, could not read {path.name!r}. Check it."
        ) from error
    sentences = list(dict.fromkeys(line.strip() for line in lines if line.strip()))[:MAX_SENTENCES]
    if len(sentences) < 2:
        raise DataError(
            f"Expected two or more sentences, one per line, got {len(sentences)} in {path.name!r}. Add some."
        )
    return sentences


def _vectors(store: Store, texts: list[str], model: str) -> np.ndarray:
    from brivl.models.encoders.embedding_digest import embedder_digest

    def embed() -> tuple[dict[str, np.ndarray], dict]:
        from brivl.models.encoders.embedding import open_embedder

        return {"vectors": open_embedder(model).encode_texts(texts)}, {"n": len(texts)}

    what = {"texts": json_digest(texts), "model": embedder_digest(model), "version": VERSION}
    return store.get_or_compute(ArtifactKey("text-embeddings", what), embed).arrays["vectors"]
