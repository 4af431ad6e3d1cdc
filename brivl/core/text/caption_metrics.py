"""How close captions come to references: BLEU-4, METEOR (exact and stem), ROUGE-L and CIDEr, without Java.

BLEU and METEOR are nltk's. METEOR's synonym stage needs WordNet, which is not shipped; it is left out, and the number
is named `meteor_exact_stem` so that nobody takes it for the published METEOR. ROUGE-L and CIDEr follow the papers with
the constants of the COCO caption evaluation, whose package brings 100 MB of Java along.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from brivl.errors import RequestError

if TYPE_CHECKING:
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

WORD = re.compile(r"[a-z0-9']+")
N_GRAMS = 4
ROUGE_BETA = 1.2  # COCO: recall counts a little more than precision
CIDER_SIGMA = 6.0  # CIDEr-D: width of the penalty on a difference of length, in words
CIDER_SCALE = 10.0  # CIDEr-D
Grams = Counter[tuple[str, ...]]


@dataclass(frozen=True)
class CaptionScores:
    """Scores of a set of captions; all in 0..1 except CIDEr in 0..10. The higher the better."""

    bleu4: float
    meteor_exact_stem: float
    rouge_l: float
    cider: float


def caption_scores(captions: Sequence[str], references: Sequence[Sequence[str]]) -> CaptionScores:
    """All four measures: n captions and, for each, its reference sentences.

    Sentences are lower-cased and cut into words; punctuation does not count, as in the COCO evaluation.
    Raises RequestError if there is no caption, or one without a reference.
    """
    if not captions or len(captions) != len(references) or not all(references):
        raise RequestError(
            f"Wanted captions with one or more references each and got {len(captions)} captions and "
            f"{len(references)} lists of references; give every caption its references."
        )
    said, wanted = [_words(c) for c in captions], [[_words(r) for r in group] for group in references]
    measures = (bleu4, meteor_exact_stem, rouge_l, cider)
    return CaptionScores(*(measure(said, wanted) for measure in measures))


def bleu4(said: Sequence[list[str]], wanted: Sequence[Sequence[list[str]]]) -> float:
    """Corpus BLEU-4 (Papineni et al. 2002), not smoothed, brevity against the reference closest in length."""
    from nltk.translate.bleu_score import corpus_bleu

    if not _share_a_gram(said, wanted, N_GRAMS):
        return 0.0  # nltk returns almost 0 and warns
    return float(corpus_bleu(wanted, said))


def meteor_exact_stem(said: Sequence[list[str]], wanted: Sequence[Sequence[list[str]]]) -> float:
    """Mean METEOR (Banerjee & Lavie 2005) of each caption against its best reference, without the synonym stage."""
    from nltk.translate.meteor_score import meteor_score

    no_synonyms: WordNetCorpusReader = _NoSynonyms()  # type: ignore[assignment]
    return float(np.mean([meteor_score(w, s, wordnet=no_synonyms) for s, w in zip(said, wanted, strict=True)]))


def rouge_l(said: Sequence[list[str]], wanted: Sequence[Sequence[list[str]]]) -> float:
    """Mean ROUGE-L (Lin 2004): F of the longest common subsequence, with the best precision and recall of a caption.

    F = (1 + b^2) P R / (R + b^2 P) with b = 1.2.
    """
    return float(np.mean([_rouge_l(s, w) for s, w in zip(said, wanted, strict=True)]))


def cider(said: Sequence[list[str]], wanted: Sequence[Sequence[list[str]]]) -> float:
    """Mean CIDEr-D (Vedantam et al. 2015): tf-idf weighted cosine of n-grams, n = 1..4, times 10.

    Document frequencies come from the references given, so the score of a caption depends on the whole set; a single
    image scores 0. Counts are clipped at the reference's, and a difference in length l costs exp(-l^2 / (2 * 6^2)).
    """
    seen: Counter[tuple[str, ...]] = Counter()
    for group in wanted:
        seen.update({gram for words in group for gram in _grams(words)})
    n_images = len(said)

    def weighted(words: list[str]) -> list[dict[tuple[str, ...], float]]:
        vectors: list[dict[tuple[str, ...], float]] = [{} for _ in range(N_GRAMS)]
        for gram, count in _grams(words).items():
            vectors[len(gram) - 1][gram] = count * np.log(n_images / max(1, seen[gram]))
        return vectors

    scores = [
        np.mean([_cider_one(weighted(s), weighted(r), len(s) - len(r)) for r in group])
        for s, group in zip(said, wanted, strict=True)
    ]
    return float(np.mean(scores))


class _NoSynonyms:
    """A WordNet that knows no word."""

    def synsets(self, _word: str) -> list:
        return []


def _words(sentence: str) -> list[str]:
    return WORD.findall(sentence.lower())


def _grams(words: list[str], sizes: Iterable[int] = range(1, N_GRAMS + 1)) -> Grams:
    return Counter(tuple(words[i : i + n]) for n in sizes for i in range(len(words) - n + 1))


def _share_a_gram(said: Sequence[list[str]], wanted: Sequence[Sequence[list[str]]], n: int) -> bool:
    return any(_grams(s, [n]) & _grams(r, [n]) for s, group in zip(said, wanted, strict=True) for r in group)


def _rouge_l(said: list[str], wanted: Sequence[list[str]]) -> float:
    common = [_longest_common(said, words) for words in wanted]
    if not any(common):
        return 0.0
    precision = max(common) / len(said)
    recall = max(c / len(words) for c, words in zip(common, wanted, strict=True) if words)
    return (1 + ROUGE_BETA**2) * precision * recall / (recall + ROUGE_BETA**2 * precision)


def _longest_common(one: list[str], other: list[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for word in one:
        before = 0
        for j, against in enumerate(other, start=1):
            before, row[j] = row[j], before + 1 if word == against else max(row[j], row[j - 1])
    return row[-1]


def _cider_one(said: list[dict], wanted: list[dict], longer: int) -> float:
    cosines = []
    for s, w in zip(said, wanted, strict=True):
        norm = np.sqrt(sum(v * v for v in s.values())) * np.sqrt(sum(v * v for v in w.values()))
        dot = sum(min(v, w[gram]) * w[gram] for gram, v in s.items() if gram in w)
        cosines.append(dot / norm if norm else 0.0)
    return CIDER_SCALE * float(np.mean(cosines)) * float(np.exp(-(longer**2) / (2 * CIDER_SIGMA**2)))
