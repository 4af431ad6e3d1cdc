"""Agreement of captions with references: BLEU-4, METEOR (exact and stem), ROUGE-L and CIDEr, without Java.

BLEU and METEOR are computed by nltk. The synonym stage of METEOR needs WordNet, which is not shipped; it is left out,
and the score is named `meteor_exact_stem` so that it is not mistaken for the published METEOR. ROUGE-L and CIDEr follow
the papers with the constants of the COCO caption evaluation, whose package needs 100 MB of Java.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from brivl.errors import RequestError

WORD = re.compile(r"[a-z0-9']+")
N_GRAMS = 4
ROUGE_BETA = 1.2  # COCO: recall counts a little more than precision
CIDER_SIGMA = 6.0  # CIDEr-D: width of the penalty on a difference of length, in words
CIDER_SCALE = 10.0  # CIDEr-D
Gram = tuple[str, ...]
Words = list[str]


@dataclass(frozen=True)
class CaptionScores:
    """Scores of a set of captions: 0 to 1, CIDEr 0 to 10; higher is better."""

    bleu4: float
    meteor_exact_stem: float
    rouge_l: float
    cider: float


def caption_scores(captions: Sequence[str], references: Sequence[Sequence[str]]) -> CaptionScores:
    """Compute all four scores of a set of captions.

    Sentences are converted to lower case and split into words; punctuation does not count, as in the COCO evaluation.

    Parameters
    ----------
    captions : sequence of str
        Captions.
    references : sequence of sequences of str
        One or more reference sentences for each caption.

    Returns
    -------
    CaptionScores
        Scores of the whole set.

    Raises
    ------
    RequestError
        If there is no caption, or a caption without a reference.
    """
    if not captions or len(captions) != len(references) or not all(references):
        raise RequestError(
            f"Expected captions with at least one reference each, got {len(captions)} captions and {len(references)} "
            "lists of references. Give every caption its references."
        )
    candidates = [_words(caption) for caption in captions]
    targets = [[_words(reference) for reference in group] for group in references]
    return CaptionScores(
        bleu4(candidates, targets),
        meteor_exact_stem(candidates, targets),
        rouge_l(candidates, targets),
        cider(candidates, targets),
    )


def bleu4(candidates: Sequence[Words], references: Sequence[Sequence[Words]]) -> float:
    """Compute the corpus BLEU-4 without smoothing.

    Parameters
    ----------
    candidates : sequence of lists of str
        Words of each caption.
    references : sequence of sequences of lists of str
        Words of the references of each caption.

    Returns
    -------
    float
        Score from 0 to 1.

    Notes
    -----
    Papineni et al. 2002. The brevity penalty compares a caption with the reference that is closest in length.
    """
    from nltk.translate.bleu_score import corpus_bleu

    if not _share_a_gram(candidates, references, N_GRAMS):
        return 0.0  # nltk returns almost 0 and warns
    return float(corpus_bleu(references, candidates))


def meteor_exact_stem(candidates: Sequence[Words], references: Sequence[Sequence[Words]]) -> float:
    """Compute the mean METEOR of each caption against its best reference, without the synonym stage.

    Parameters
    ----------
    candidates : sequence of lists of str
        Words of each caption.
    references : sequence of sequences of lists of str
        Words of the references of each caption.

    Returns
    -------
    float
        Score from 0 to 1.

    Notes
    -----
    Banerjee and Lavie 2005, with the exact and the stem stage.
    """
    from nltk.translate.meteor_score import meteor_score

    pairs = zip(candidates, references, strict=True)
    return float(np.mean([meteor_score(group, words, wordnet=_NoSynonyms()) for words, group in pairs]))


def rouge_l(candidates: Sequence[Words], references: Sequence[Sequence[Words]]) -> float:
    """Compute the mean ROUGE-L, the F measure of the longest common subsequence.

    Parameters
    ----------
    candidates : sequence of lists of str
        Words of each caption.
    references : sequence of sequences of lists of str
        Words of the references of each caption.

    Returns
    -------
    float
        Score from 0 to 1.

    Notes
    -----
    Lin 2004: F = (1 + b^2) P R / (R + b^2 P) with b = 1.2 and the best precision and recall over the references.
    """
    return float(np.mean([_rouge_l(words, group) for words, group in zip(candidates, references, strict=True)]))


def cider(candidates: Sequence[Words], references: Sequence[Sequence[Words]]) -> float:
    """Compute the mean CIDEr-D, a cosine of tf-idf weighted n-grams.

    Document frequencies come from the given references, so the score of a caption depends on the whole set, and a
    single image scores 0.

    Parameters
    ----------
    candidates : sequence of lists of str
        Words of each caption.
    references : sequence of sequences of lists of str
        Words of the references of each caption.

    Returns
    -------
    float
        Score from 0 to 10.

    Notes
    -----
    Vedantam et al. 2015, with n = 1 to 4. Counts are clipped at those of the reference, and a difference of l words in
    length costs a factor of exp(-l^2 / (2 * 6^2)).
    """
    document_frequency: Counter[Gram] = Counter()
    for group in references:
        document_frequency.update({gram for words in group for gram in _grams(words)})
    n_images = len(candidates)

    def _tf_idf(words: Words) -> list[dict[Gram, float]]:
        vectors: list[dict[Gram, float]] = [{} for _ in range(N_GRAMS)]
        for gram, count in _grams(words).items():
            vectors[len(gram) - 1][gram] = count * np.log(n_images / max(1, document_frequency[gram]))
        return vectors

    scores = [
        np.mean([_cider_one(_tf_idf(words), _tf_idf(target), len(words) - len(target)) for target in group])
        for words, group in zip(candidates, references, strict=True)
    ]
    return float(np.mean(scores))


class _NoSynonyms:
    """A replacement of WordNet that knows no synonym."""

    def synsets(self, _word: str) -> list[str]:  # numpydoc ignore=GL08
        return []


def _words(sentence: str) -> Words:
    return WORD.findall(sentence.lower())


def _grams(words: Words, sizes: Iterable[int] = range(1, N_GRAMS + 1)) -> Counter[Gram]:
    return Counter(tuple(words[i : i + n]) for n in sizes for i in range(len(words) - n + 1))


def _share_a_gram(candidates: Sequence[Words], references: Sequence[Sequence[Words]], n: int) -> bool:
    pairs = zip(candidates, references, strict=True)
    return any(_grams(words, [n]) & _grams(target, [n]) for words, group in pairs for target in group)


def _rouge_l(words: Words, group: Sequence[Words]) -> float:
    common = [_longest_common(words, target) for target in group]
    if not any(common):
        return 0.0
    precision = max(common) / len(words)
    recall = max(c / len(target) for c, target in zip(common, group, strict=True) if target)
    return (1 + ROUGE_BETA**2) * precision * recall / (recall + ROUGE_BETA**2 * precision)


def _longest_common(one: Words, other: Words) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for word in one:
        diagonal = 0
        for j, other_word in enumerate(other, start=1):
            diagonal, row[j] = row[j], diagonal + 1 if word == other_word else max(row[j], row[j - 1])
    return row[-1]


def _cider_one(candidate: list[dict[Gram, float]], target: list[dict[Gram, float]], length_difference: int) -> float:
    cosines = []
    for s, t in zip(candidate, target, strict=True):
        norm = np.sqrt(sum(v * v for v in s.values())) * np.sqrt(sum(v * v for v in t.values()))
        dot = sum(min(v, t[gram]) * t[gram] for gram, v in s.items() if gram in t)
        cosines.append(dot / norm if norm else 0.0)
    return CIDER_SCALE * float(np.mean(cosines)) * float(np.exp(-(length_difference**2) / (2 * CIDER_SIGMA**2)))
