"""Caption metrics against worked examples of the papers and against numbers of the COCO evaluation's own code."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.core.text.caption_metrics import bleu4, caption_scores, cider, meteor_exact_stem, rouge_l
from brivl.errors import RequestError

CAPTIONS = [
    "a red dog is running in a meadow",
    "a blue car is on a street",
    "two small cats sleep",
    "a man in white with an umbrella on a beach",
]
REFERENCES = [
    ["a large red dog is running in a meadow", "on the grass a red puppy is running"],
    ["a blue car is driving on a street", "a blue automobile is in the street", "there is a car"],
    ["a small cat is sleeping in a kitchen", "a kitten sleeps"],
    ["a person in white is to the left of an umbrella on a beach", "on a beach a person in white is walking"],
]
# Scores of pycocoevalcap 1.2: cider_scorer.CiderScorer, rouge.Rouge, bleu_scorer("closest").
COCO_CIDER = [4.911783323572502, 2.9509325627605394, 0.2502304384115025, 2.569577275133184]
COCO_ROUGE = [0.931297709923664, 0.9222462203023757, 0.15721649484536082, 0.6472148541114059]
COCO_BLEU4 = 0.5902502318957931


def cut(*sentences: str) -> list[list[str]]:
    return [sentence.split() for sentence in sentences]


def test_as_the_coco_evaluation_scores_them():
    scores = caption_scores(CAPTIONS, REFERENCES)
    assert scores.cider == pytest.approx(np.mean(COCO_CIDER), abs=1e-12)
    assert scores.rouge_l == pytest.approx(np.mean(COCO_ROUGE), abs=1e-12)
    assert scores.bleu4 == pytest.approx(COCO_BLEU4, abs=1e-9)  # its code adds 1e-9 to what it divides by


@pytest.mark.parametrize(
    ("caption", "expected"), [("police kill the gunman", 3 / 4), ("the gunman kill police", 2 / 4)]
)
def test_rouge_l_of_the_papers_example(caption, expected):
    """Lin 2004, section 3.1; lengths are equal, so beta does not matter."""
    assert rouge_l(cut(caption), [cut("police killed the gunman")]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("the cat sat on the mat", 1 - 0.5 * (1 / 6) ** 3),  # 6 words in 1 chunk
        ("the cat was sat on the mat", 10 * (6 / 7) / (1 + 9 * 6 / 7) * (1 - 0.5 * (2 / 6) ** 3)),
        ("the cats sat on the mats", 1 - 0.5 * (1 / 6) ** 3),  # stems
        ("a dog", 0.0),
    ],
)
def test_meteor_by_hand(caption, expected):
    """F = 10 P R / (R + 9 P), minus 0.5 (chunks / matches)^3 of it (Banerjee & Lavie 2005)."""
    assert meteor_exact_stem(cut(caption), [cut("the cat sat on the mat")]) == pytest.approx(expected)


def test_meteor_has_no_synonyms():
    assert meteor_exact_stem(cut("automobile"), [cut("car")]) == 0


def test_cider_by_hand():
    """Two images and one-word captions: the word of image 1 is in its own reference only, idf = log 2 cancels."""
    assert cider(cut("dog", "cat"), [cut("dog"), cut("cat")]) == pytest.approx(10 / 4)  # only n = 1 of 4 has grams
    assert cider(cut("cat", "dog"), [cut("dog"), cut("cat")]) == 0
    # "a" is in both references: idf 0. Half the length: exp(-1 / 72), and n = 1 alone.
    half = cider(cut("dog", "cat"), [cut("a dog"), cut("a cat")])
    assert half == pytest.approx(10 / 4 * np.exp(-1 / 72))


def test_perfect_captions_score_highest_and_unrelated_ones_lowest():
    own = [group[0] for group in REFERENCES]
    best = caption_scores(own, [[c] for c in own])
    assert (best.bleu4, best.rouge_l) == (pytest.approx(1), pytest.approx(1)) and best.cider > 9
    worst = caption_scores(["zzz"] * 4, REFERENCES)
    assert (worst.bleu4, worst.meteor_exact_stem, worst.rouge_l, worst.cider) == (0, 0, 0, 0)


def test_case_and_punctuation_do_not_count_and_an_empty_caption_scores_nothing():
    assert caption_scores(["A red dog, and a cat."], [["a Red dog and a cat"]]).bleu4 == pytest.approx(1)
    assert bleu4([[]], [cut("a b c d e")]) == 0
    silent = caption_scores(["", *CAPTIONS[1:]], REFERENCES)
    assert 0 < silent.cider < caption_scores(CAPTIONS, REFERENCES).cider


@pytest.mark.parametrize(("captions", "references"), [([], []), (["a"], []), (["a"], [[]])])
def test_captions_without_references_are_refused(captions, references):
    with pytest.raises(RequestError, match="references"):
        caption_scores(captions, references)
