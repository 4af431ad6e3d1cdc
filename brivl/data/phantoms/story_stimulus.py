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
# A word lasts WORD_S + LETTER_S for each of its letters, with an SD of JITTER_S seconds.
WORD_S, LETTER_S, JITTER_S = 0.14, 0.045, 0.03
# Seconds of silence after a word, a comma, a sentence, and the last sentence about a scene.
WORD_PAUSE_S, COMMA_PAUSE_S, SENTENCE_PAUSE_S, SCENE_PAUSE_S = 0.02, 0.2, 0.5, 0.8
LINKS = ("", "", "", "Then ", "Now ", "After that ", "Later ", "Elsewhere ")
SECOND_SENTENCE_SHARE = 0.4  # fraction of scenes that get a second sentence
PHRASE_WORDS = 4  # words of a phrase, at most
CONTEXT_WORDS = 12  # words of the text that a model reads for a phrase, at most
CLIP_S = 6.0  # seconds of the clips whose first scenes the sentences describe


@dataclass(frozen=True)
class StoryConfig:
    """Size and timing of the stories.

    Attributes
    ----------
    n_train, n_test : int
        TRs of all training stories, and of the test story.
    n_runs : int
        Number of training stories, which are equally long.
    n_repeats : int
        Repeats of the test story.
    tr : float
        Seconds.
    resampling : str
        How words become samples.
    seed : int
        Random seed.
    """

    n_train: int = 720
    n_test: int = 90
    n_runs: int = 6
    n_repeats: int = 5
    tr: float = 2.0
    resampling: Resampling = "lanczos"
    seed: int = 1717

    def __post_init__(self) -> None:
        fits = 20 * self.n_runs <= self.n_train <= MAX_TRS and 20 <= self.n_test <= MAX_TRS
        if self.n_train % self.n_runs or not fits:
            raise RequestError(
                f"Expected {20 * self.n_runs} to {MAX_TRS} training TRs in {self.n_runs} equal stories and 20 to "
                f"{MAX_TRS} test TRs, got {self.n_train} and {self.n_test}. Use for example 720/90."
            )


@dataclass(frozen=True)
class Transcript:
    """Words of all stories, training stories first; times in seconds from the start of the word's own run.

    Attributes
    ----------
    words : list of str
        Words.
    texts : list of str
        For each phrase, its words and those before them about the same scene, up to CONTEXT_WORDS.
    phrase : (n_words,) array of int
        Phrase of each word, an index into `texts`.
    onsets, ends : (n_words,) array
        Start and end of each word.
    next_onsets : (n_words,) array
        Start of the next word, until which a word is the last one heard.
    run : (n_words,) array of int
        Run of each word.
    """

    words: list[str]
    texts: list[str]
    phrase: np.ndarray
    onsets: np.ndarray
    ends: np.ndarray
    next_onsets: np.ndarray
    run: np.ndarray

    def __len__(self) -> int:
        return len(self.words)


def make_stories(config: StoryConfig) -> Transcript:
    """Write all stories.

    Parameters
    ----------
    config : StoryConfig
        Size, timing and seed.

    Returns
    -------
    Transcript
        Words and their times. Each run is one story with its own seed; it ends with the run, if need be within a
        sentence.
    """
    runs = [_story(config, run, length * config.tr) for run, length in enumerate(_lengths(config))]
    n_before = np.cumsum([0, *(len(story.texts) for story in runs)])
    phrases = [story.phrase + n for story, n in zip(runs, n_before, strict=False)]
    return Transcript(
        [word for story in runs for word in story.words],
        [text for story in runs for text in story.texts],
        np.concatenate(phrases),
        *(
            np.concatenate([getattr(story, name) for story in runs])
            for name in ("onsets", "ends", "next_onsets", "run")
        ),
    )


def phrase_weights(config: StoryConfig, transcript: Transcript) -> scipy.sparse.csr_matrix:
    """Compute the weight of each phrase in each sample: that of its words, resampled run by run.

    Parameters
    ----------
    config : StoryConfig
        Size and resampling.
    transcript : Transcript
        Words and their times.

    Returns
    -------
    (n_samples, n_texts) CSR matrix of float32
        Weights.
    """
    words = _by_run(config, transcript, transcript.ends, config.resampling)
    n_words = len(transcript)
    member = (np.ones(n_words, np.float32), (np.arange(n_words), transcript.phrase))
    return words @ scipy.sparse.csr_matrix(member, shape=(n_words, len(transcript.texts)))


def last_word_weights(config: StoryConfig, transcript: Transcript) -> scipy.sparse.csr_matrix:
    """Compute the fraction of each sample in which each word was the last one heard.

    Parameters
    ----------
    config : StoryConfig
        Size.
    transcript : Transcript
        Words and their times.

    Returns
    -------
    (n_samples, n_words) CSR matrix of float32
        Fractions.
    """
    return _by_run(config, transcript, transcript.next_onsets, "box")


def _by_run(
    config: StoryConfig, transcript: Transcript, ends: np.ndarray, resampling: Resampling
) -> scipy.sparse.csr_matrix:
    blocks = []
    for run, length in enumerate(_lengths(config)):
        words = transcript.run == run
        blocks.append(word_weights(transcript.onsets[words], ends[words], length, config.tr, resampling))
    return scipy.sparse.block_diag(blocks, "csr").astype(np.float32)


def sentence_progress(transcript: Transcript) -> np.ndarray:
    """Describe the course of the sentences apart from their content.

    Parameters
    ----------
    transcript : Transcript
        Words.

    Returns
    -------
    (n_words, 2) array
        Root of the number of words of the text so far, and number of letters of the word.
    """
    n_words = np.array([len(text.split()) for text in transcript.texts])[transcript.phrase]
    return np.stack([np.sqrt(n_words), [len(word.strip(".,")) for word in transcript.words]], 1)


def _lengths(config: StoryConfig) -> list[int]:
    return [config.n_train // config.n_runs] * config.n_runs + [config.n_test]


def _story(config: StoryConfig, run: int, seconds: float) -> Transcript:
    """Write sentences about one scene after the other until the time is up; words that end later are left out."""
    rng = np.random.default_rng([config.seed, run])
    words: list[str] = []
    texts: list[str] = []
    phrase: list[int] = []
    times = [float(rng.uniform(0.2, 0.8))]
    ends: list[float] = []
    while times[-1] < seconds:
        scene_words = _describe_scene(rng)
        for text, phrase_words in _phrases(scene_words):
            phrase += [len(texts)] * len(phrase_words)
            texts.append(text)
        words += scene_words
        for i, word in enumerate(scene_words):
            ends.append(times[-1] + _duration(rng, word))
            times.append(ends[-1] + (SCENE_PAUSE_S if i == len(scene_words) - 1 else _pause(word)))
    n = int(np.searchsorted(ends, seconds))
    return Transcript(
        words[:n],
        texts[: phrase[n - 1] + 1],
        np.array(phrase[:n]),
        np.array(times[:n]),
        np.array(ends[:n]),
        np.minimum(times[1 : n + 1], seconds),
        np.full(n, run),
    )


def _duration(rng: np.random.Generator, word: str) -> float:
    jitter = JITTER_S * float(np.clip(rng.standard_normal(), -2, 2))
    return WORD_S + LETTER_S * len(word.strip(".,")) + jitter


def _pause(word: str) -> float:
    return SENTENCE_PAUSE_S if word.endswith(".") else COMMA_PAUSE_S if word.endswith(",") else WORD_PAUSE_S


def _phrases(words: list[str]) -> list[tuple[str, list[str]]]:
    """Cut words into phrases that do not cross a comma or full stop: the text of each with context, and its words."""
    phrases: list[tuple[str, list[str]]] = []
    start = 0
    for i, word in enumerate(words):
        if i - start + 1 == PHRASE_WORDS or word[-1] in ".," or i == len(words) - 1:
            phrases.append((" ".join(words[max(0, i + 1 - CONTEXT_WORDS) : i + 1]), words[start : i + 1]))
            start = i + 1
    return phrases


def _describe_scene(rng: np.random.Generator) -> list[str]:
    """Write one or two sentences about a scene as movies show them, as a list of words."""
    scene = sample_clip(rng, CLIP_S).start
    link = LINKS[int(rng.integers(len(LINKS)))]
    first = caption(scene, rng)
    sentences = [f"{link}{first[0].lower()}{first[1:]}" if link else first]
    if rng.random() < SECOND_SENTENCE_SHARE:
        sentences.append(caption(scene, rng))
    return " ".join(sentences).split()
