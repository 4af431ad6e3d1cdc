"""Sentences from a caption decoder: greedy and beam search, batched and deterministic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from brivl.models.captioning.decoder import CaptionDecoder, KeyValueCache
from brivl.models.captioning.vocabulary import END, PAD, START


@dataclass(frozen=True)
class Hypothesis:
    """One sentence of n words, the last of which is END if it was reached."""

    ids: tuple[int, ...]
    log_probs: np.ndarray  # (n,) float32
    attention: np.ndarray  # (n, M) float32, over the patches
    score: float  # mean log-probability of a word


@dataclass(frozen=True)
class _Beams:
    """K unfinished or finished sentences for each of B images, t words each; END is followed by PAD at no cost."""

    ids: torch.Tensor  # (B, K, t) int64
    log_probs: torch.Tensor  # (B, K, t)
    attention: torch.Tensor  # (B, K, t, M)

    @property
    def length(self) -> torch.Tensor:
        """Number of words of each sentence, END included.

        Returns
        -------
        torch.Tensor
            (B, K) integers.
        """
        return (self.ids != PAD).sum(-1)

    @property
    def done(self) -> torch.Tensor:
        """Whether each sentence has ended, or is a placeholder where there are fewer than K sentences.

        Returns
        -------
        torch.Tensor
            (B, K) bool.
        """
        return (self.ids == END).any(-1) | self.log_probs.sum(-1).isneginf()

    def extended(
        self, kept: torch.Tensor, words: torch.Tensor, log_probs: torch.Tensor, attention: torch.Tensor
    ) -> _Beams:
        """Extend sentences `kept` by a word each; words and log-probabilities (B, K), attention (B, K, M)."""
        rows = torch.arange(len(kept))[:, None]
        return _Beams(
            torch.cat([self.ids[rows, kept], words[..., None]], -1),
            torch.cat([self.log_probs[rows, kept], log_probs[..., None]], -1),
            torch.cat([self.attention[rows, kept], attention[:, :, None]], 2),
        )


@torch.inference_mode()
def beam_search(decoder: CaptionDecoder, patches: torch.Tensor, beam: int) -> list[Hypothesis]:
    """Find the best sentence about each image.

    Sentences are compared by the mean log-probability of their words, log p(w_1..w_n | image) / n. The greedy sentence
    is always among those compared, so a wider beam never returns a lower score. Of equal scores the earlier word in the
    vocabulary wins.

    Parameters
    ----------
    decoder
        The decoder, in evaluation mode.
    patches : (B, M, patch_width) tensor
        Patches of each image.
    beam
        Number of sentences that are continued; 1 is greedy search.

    Returns
    -------
    list of Hypothesis
        One for each image.
    """
    memory = decoder.cross_attention_cache(patches)
    greedy = _best(_search(decoder, memory, 1))
    if beam == 1:
        return greedy
    wide = _best(_search(decoder, memory, beam))
    return [b if b.score > g.score else g for b, g in zip(wide, greedy, strict=True)]


def _search(decoder: CaptionDecoder, memory: tuple[KeyValueCache, ...], beam: int) -> _Beams:
    n_images, n_patches = memory[0][0].shape[0], memory[0][0].shape[2]
    memory = tuple((k.repeat_interleave(beam, 0), v.repeat_interleave(beam, 0)) for k, v in memory)
    beams = _Beams(
        torch.zeros(n_images, beam, 0, dtype=torch.long),
        torch.zeros(n_images, beam, 0),
        torch.zeros(n_images, beam, 0, n_patches),
    )
    newest, past = torch.full((n_images * beam, 1), START), None
    for t in range(decoder.config.max_words - 1):
        step = decoder.step(newest, memory, past)
        log_p = _allowed(step.logits[:, -1].log_softmax(-1).unflatten(0, (n_images, beam)), beams.done)
        kept, words = _chosen(beams, log_p, beam, first=t == 0)
        rows = torch.arange(n_images)[:, None]
        attention = step.attention[:, -1].unflatten(0, (n_images, beam))[rows, kept]
        beams = beams.extended(kept, words, log_p[rows, kept, words], attention)
        if beams.done.all():
            break
        newest, past = words.reshape(-1, 1), _reordered(step.past, (rows * beam + kept).flatten())
    return beams


def _allowed(log_p: torch.Tensor, done: torch.Tensor) -> torch.Tensor:
    """Log-probabilities (B, K, n_words) without words that never occur; after the end only PAD, at no cost."""
    log_p[..., [PAD, START]] = -torch.inf
    stay = torch.full(log_p.shape[-1:], -torch.inf)
    stay[PAD] = 0.0
    return torch.where(done[..., None], stay, log_p)


def _chosen(beams: _Beams, log_p: torch.Tensor, beam: int, *, first: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Sentences to continue and the words to add, both (B, K), best first; log_p is (B, K, n_words)."""
    length = (beams.length + (~beams.done).long()).clamp(min=1)
    score = (beams.log_probs.sum(-1, keepdim=True) + log_p) / length[..., None]
    if first:
        score[:, 1:] = -torch.inf  # all sentences are still the same
    order = score.flatten(1).sort(dim=1, descending=True, stable=True).indices[:, :beam]
    return order // log_p.shape[-1], order % log_p.shape[-1]


def _reordered(past: tuple[KeyValueCache, ...], rows: torch.Tensor) -> tuple[KeyValueCache, ...]:
    return tuple((k[rows], v[rows]) for k, v in past)


def _best(beams: _Beams) -> list[Hypothesis]:
    """The sentence with the highest score of each image, which `_chosen` keeps first."""
    hypotheses = []
    for ids, log_probs, attention, n in zip(
        beams.ids[:, 0], beams.log_probs[:, 0], beams.attention[:, 0], beams.length[:, 0].tolist(), strict=True
    ):
        score = float(log_probs[:n].double().mean())
        hypotheses.append(Hypothesis(tuple(ids[:n].tolist()), log_probs[:n].numpy(), attention[:n].numpy(), score))
    return hypotheses
