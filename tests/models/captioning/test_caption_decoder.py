"""The caption decoder, its search, and its words."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from brivl.models.captioning.beam_search import Hypothesis, beam_search
from brivl.models.captioning.decoder import CaptionDecoder, DecoderConfig
from brivl.models.captioning.vocabulary import END, PAD, START, UNKNOWN, WordVocabulary
from brivl.scenes.captions import caption
from brivl.scenes.scene import sample_scene

SIZE = DecoderConfig(n_words=9, width=16, depth=2, n_heads=2, max_words=7, n_patches=5, patch_width=6)


@pytest.fixture(scope="module")
def decoder() -> CaptionDecoder:
    torch.manual_seed(3)
    return sharpened(CaptionDecoder(SIZE))


def sharpened(decoder: CaptionDecoder) -> CaptionDecoder:
    """Untrained, but some words are much likelier than others, and which depends on words and patches."""
    with torch.no_grad():
        for name, value in decoder.named_parameters():
            if "norm" not in name:
                value.copy_(torch.randn(value.shape) * (0.5 if value.ndim > 1 else 0.1))
    return decoder.eval()


@pytest.fixture(scope="module")
def patches() -> torch.Tensor:
    return torch.randn(6, SIZE.n_patches, SIZE.patch_width, generator=torch.Generator().manual_seed(5))


@torch.inference_mode()
def log_prob(decoder: CaptionDecoder, patches: torch.Tensor, ids: tuple[int, ...]) -> np.ndarray:
    """Of each word given those before it, by one pass over the complete sentence, unlike in the search."""
    given = torch.tensor([[START, *ids[:-1]]])
    return decoder(given, patches[None])[0].log_softmax(-1)[range(len(ids)), ids].numpy()


def test_later_words_do_not_change_earlier_logits(decoder, patches):
    ids = torch.tensor([[START, 4, 5, 6, 7], [START, 5, 5, 8, 4]])
    changed = ids.clone()
    changed[:, 3:] = torch.tensor([[8, 4], [6, 6]])
    with torch.inference_mode():
        before, after = decoder(ids, patches[:2]), decoder(changed, patches[:2])
    assert torch.equal(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3:], after[:, 3:])


def test_logits_depend_on_the_words_before_and_on_every_patch(decoder, patches):
    ids = torch.tensor([[START, 4, 5]])
    with torch.inference_mode():
        logits = decoder(ids, patches[:1])
        other = decoder(torch.tensor([[START, 6, 5]]), patches[:1])
        assert not torch.allclose(logits[:, 2], other[:, 2])
        for patch in range(SIZE.n_patches):
            moved = patches[:1].clone()
            moved[:, patch] += torch.linspace(-1, 1, SIZE.patch_width)
            assert not torch.allclose(decoder(ids, moved), logits, atol=1e-6)


def test_word_by_word_equals_all_at_once(decoder, patches):
    ids = torch.tensor([[START, 4, 5, 6], [START, 8, 7, 4]])
    with torch.inference_mode():
        at_once, memory, past, by_step = decoder(ids, patches[:2]), decoder.cross_attention_cache(patches[:2]), None, []
        for t in range(ids.shape[1]):
            step = decoder.step(ids[:, t : t + 1], memory, past)
            past = step.past
            by_step.append(step.logits)
            assert torch.allclose(step.attention.sum(-1), torch.ones(2, 1), atol=1e-5)
    assert torch.allclose(torch.cat(by_step, 1), at_once, atol=1e-5)


def test_a_beam_of_one_is_greedy(decoder, patches):
    for image, hypothesis in zip(patches, beam_search(decoder, patches, 1), strict=True):
        ids: list[int] = []
        while len(ids) < SIZE.max_words - 1 and END not in ids:
            with torch.inference_mode():
                logits = decoder(torch.tensor([[START, *ids]]), image[None])[0, -1].clone()
                logits[[PAD, START]] = -torch.inf
            ids.append(int(logits.argmax()))
        assert hypothesis.ids == tuple(ids)


@pytest.mark.parametrize("beam", [2, 4, 8])
def test_a_wider_beam_never_scores_below_greedy_and_sometimes_above(decoder, patches, beam):
    greedy, wide = beam_search(decoder, patches, 1), beam_search(decoder, patches, beam)
    assert all(w.score >= g.score for w, g in zip(wide, greedy, strict=True))
    assert any(w.score > g.score for w, g in zip(wide, greedy, strict=True))


@pytest.mark.parametrize("beam", [1, 3])
def test_scores_are_those_of_the_sentence_and_the_same_alone_as_in_a_batch(decoder, patches, beam):
    together = beam_search(decoder, patches, beam)
    for image, hypothesis in zip(patches, together, strict=True):
        assert np.allclose(hypothesis.log_probs, log_prob(decoder, image, hypothesis.ids), atol=1e-4)
        assert hypothesis.score == pytest.approx(hypothesis.log_probs.mean(), abs=1e-5)
        assert hypothesis.attention.shape == (len(hypothesis.ids), SIZE.n_patches)
        assert hypothesis.attention.sum(1) == pytest.approx(1, abs=1e-4)
        alone: Hypothesis = beam_search(decoder, image[None], beam)[0]
        assert alone.ids == hypothesis.ids and alone.score == pytest.approx(hypothesis.score, abs=1e-5)


def test_a_beam_as_wide_as_all_sentences_finds_the_best_of_all(patches):
    torch.manual_seed(4)
    short = DecoderConfig(n_words=6, width=16, depth=1, n_heads=2, max_words=3, n_patches=5, patch_width=6)
    decoder = sharpened(CaptionDecoder(short))
    words = range(END, short.n_words)
    every = [(END,), *((a, b) for a, b in itertools.product(words, words) if a != END)]
    for image, hypothesis in zip(patches, beam_search(decoder, patches, 16), strict=True):
        best = max(log_prob(decoder, image, ids).mean() for ids in every)
        assert hypothesis.score == pytest.approx(best, abs=1e-5)


def test_every_caption_comes_back_from_its_ids():
    scenes = [sample_scene(np.random.default_rng([9, i])) for i in range(60)]
    texts = [caption(scene) for scene in scenes]
    vocabulary = WordVocabulary.from_texts(texts)
    assert [vocabulary.decode(vocabulary.encode(text)) for text in texts] == texts
    assert vocabulary.encode("A zebra.")[1:-1] == [vocabulary.words.index("a"), UNKNOWN, vocabulary.words.index(".")]
    assert vocabulary.decode([START, PAD, END]) == ""
