"""Stories of the simulated experiment: sentences about drawn scenes, heard word by word."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from brivl.core.text.timed_words import Resampling, word_weights
from brivl.errors import RequestError
from brivl.scenes.captions import caption
from brivl.scenes.clips import sample_clip

MAX_TRS = 10_000
FIRST, PER_LETTER, JITTER = 0.14, 0.045, 0.03  # s a word lasts: FIRST + PER_LETTER a letter, with an SD of JITTER
BETWEEN, COMMA, STOP, SCENE = 0.02, 0.2, 0.5, 0.8  # s of silence after a word, a comma, a sentence, and a scene
LINKS = ("", "", "", "Then ", "Now ", "After that ", "Later ", "Elsewhere ")
AGAIN = 0.4  # share of scenes that get a second sentence
PHRASE_WORDS, CONTEXT_WORDS = 4, 12  # words of a phrase at most, and of the text that a model reads for it


@dataclass(frozen=True)
class StoryConfig:
    """Size and timing of the stories; `resampling` is how words become samples."""

    n_train: int = 720
    n_test: int = 90
    n_runs: int = 6
    n_repeats: int = 5
    tr: float = 2.0  # s
    resampling: Resampling = "lanczos"
    seed: int = 1717

    def __post_init__(self) -> None:
        fits = 20 * self.n_runs <= self.n_train <= MAX_TRS and 20 <= self.n_test <= MAX_TRS
        if self.n_train % self.n_runs or not fits:
            raise RequestError(
                f"Wanted {20 * self.n_runs} to {MAX_TRS} training TRs in {self.n_runs} equal stories and 20 to "
                f"{MAX_TRS} test TRs, and got {self.n_train} and {self.n_test}. Use for example 720/90."
            )


@dataclass(frozen=True)
class Transcript:
    """Words of all stories, training ones first; times in s from the start of the word's own run."""

    words: list[str]
    texts: list[str]  # of each phrase: it and what was said of the same scene before, up to MEMORY words
    phrase: np.ndarray  # (n_words,) int, into texts
    onsets: np.ndarray  # (n_words,)
    ends: np.ndarray  # (n_words,) of the word
    next_onsets: np.ndarray  # (n_words,) until which it is the last word: the next one's onset
    run: np.ndarray  # (n_words,) int

    def __len__(self) -> int:
        return len(self.words)


def make_stories(config: StoryConfig) -> Transcript:
    """Every run is one story from its own seed; it ends with the run, in the middle of a sentence if need be."""
    runs = [_story(config, run, length * config.tr) for run, length in enumerate(_lengths(config))]
    before = np.cumsum([0, *(len(one.texts) for one in runs)])
    phrases = [one.phrase + n for one, n in zip(runs, before, strict=False)]
    return Transcript(
        [w for one in runs for w in one.words],
        [t for one in runs for t in one.texts],
        np.concatenate(phrases),
        *(np.concatenate([getattr(one, name) for one in runs]) for name in ("onsets", "ends", "next_onsets", "run")),
    )


def phrase_weights(config: StoryConfig, told: Transcript) -> scipy.sparse.csr_matrix:
    """Weight of each phrase in each sample, (n_samples, n_texts): that of its words, resampled run by run."""
    words = _by_run(config, told, told.ends, config.resampling)
    member = (np.ones(len(told), np.float32), (np.arange(len(told)), told.phrase))
    return words @ scipy.sparse.csr_matrix(member, shape=(len(told), len(told.texts)))


def last_word_weights(config: StoryConfig, told: Transcript) -> scipy.sparse.csr_matrix:
    """Share of each sample in which each word was the last one heard, (n_samples, n_words)."""
    return _by_run(config, told, told.next_onsets, "box")


def _by_run(config: StoryConfig, told: Transcript, ends: np.ndarray, how: Resampling) -> scipy.sparse.csr_matrix:
    parts = []
    for run, length in enumerate(_lengths(config)):
        here = told.run == run
        parts.append(word_weights(told.onsets[here], ends[here], length, config.tr, how))
    return scipy.sparse.block_diag(parts, "csr").astype(np.float32)


def sentence_progress(told: Transcript) -> np.ndarray:
    """(n_words, 2) how a sentence goes apart from its content: words of the text that are said, letters of the word."""
    n_words = np.array([len(text.split()) for text in told.texts])[told.phrase]
    return np.stack([np.sqrt(n_words), [len(word.strip(".,")) for word in told.words]], 1)


def _lengths(config: StoryConfig) -> list[int]:
    return [config.n_train // config.n_runs] * config.n_runs + [config.n_test]


def _story(config: StoryConfig, run: int, seconds: float) -> Transcript:
    """Sentences about one scene after the other until the time is up; what is not said in full then is left out."""
    rng = np.random.default_rng([config.seed, run])
    words: list[str] = []
    texts: list[str] = []
    phrase: list[int] = []
    times = [float(rng.uniform(0.2, 0.8))]
    ends: list[float] = []
    while times[-1] < seconds:
        said = _about_a_scene(rng)
        for text, of in _phrases(said):
            phrase += [len(texts)] * len(of)
            texts.append(text)
        words += said
        for i, word in enumerate(said):
            ends.append(times[-1] + _lasts(rng, word))
            times.append(ends[-1] + (SCENE if i == len(said) - 1 else _silence(word)))
    n = int(np.searchsorted(ends, seconds))
    held = np.minimum(times[1 : n + 1], seconds)
    return Transcript(
        words[:n],
        texts[: phrase[n - 1] + 1],
        np.array(phrase[:n]),
        np.array(times[:n]),
        np.array(ends[:n]),
        held,
        np.full(n, run),
    )


def _lasts(rng: np.random.Generator, word: str) -> float:
    return FIRST + PER_LETTER * len(word.strip(".,")) + JITTER * float(np.clip(rng.standard_normal(), -2, 2))


def _silence(word: str) -> float:
    return STOP if word.endswith(".") else COMMA if word.endswith(",") else BETWEEN


def _phrases(said: list[str]) -> list[tuple[str, list[str]]]:
    """Up to PHRASE words each, none across a comma or stop; the text of each, and its words."""
    found: list[tuple[str, list[str]]] = []
    start = 0
    for i, word in enumerate(said):
        if i - start + 1 == PHRASE_WORDS or word[-1] in ".," or i == len(said) - 1:
            found.append((" ".join(said[max(0, i + 1 - CONTEXT_WORDS) : i + 1]), said[start : i + 1]))
            start = i + 1
    return found


def _about_a_scene(rng: np.random.Generator) -> list[str]:
    """Words of one or two sentences about a scene as films show them."""
    scene = sample_clip(rng, 6.0).start
    link = LINKS[int(rng.integers(len(LINKS)))]
    first = caption(scene, rng)
    sentences = [f"{link}{first[0].lower()}{first[1:]}" if link else first]
    if rng.random() < AGAIN:
        sentences.append(caption(scene, rng))
    return " ".join(sentences).split()
