"""Image to text: a Transformer decoder that attends to the patches of a visual encoder (Lu et al. 2022, Fig. 3a).

It works on word ids, so that a small vocabulary or a tokenizer of transformers fits alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

KeyValueCache = tuple[torch.Tensor, torch.Tensor]  # keys and values, each (B, n_heads, n_tokens, width / n_heads)


@dataclass(frozen=True)
class DecoderConfig:
    """Size of a decoder; every default is this project's choice, small enough to train in minutes on one core."""

    n_words: int
    width: int = 160
    depth: int = 3
    n_heads: int = 4
    mlp_ratio: int = 2
    max_words: int = 44  # the longest caption of a scene has 39 words, with its commas, full stop and both ends
    n_patches: int = 65  # tokens of the encoder, [CLS] first
    patch_width: int = 384  # numbers in a token: the widths of all blocks that are read


@dataclass(frozen=True)
class DecoderStep:
    """Output of the decoder for n new words and M patches."""

    logits: torch.Tensor  # (B, n, n_words)
    attention: torch.Tensor  # (B, n, M) mean over blocks and heads; sums to 1 over patches
    past: tuple[KeyValueCache, ...]  # keys and values of all words so far, for each block


class DecoderBlock(nn.Module):
    """Self-attention to earlier words, cross-attention to patches, and a two-layer perceptron, each after a LayerNorm.

    Parameters
    ----------
    config
        Size of the decoder.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        width, self.n_heads = config.width, config.n_heads
        self.norm_words, self.norm_cross, self.norm_mlp = (nn.LayerNorm(width) for _ in range(3))
        self.words_qkv, self.words_out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.cross_q, self.cross_kv = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.cross_out = nn.Linear(width, width)
        hidden = config.mlp_ratio * width
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def cross_attention_cache(self, memory: torch.Tensor) -> KeyValueCache:
        """Compute the keys and values of the patches, which are the same for all words.

        Parameters
        ----------
        memory : (B, M, width) tensor
            Patches.

        Returns
        -------
        KeyValueCache
            Keys and values.
        """
        k, v = self.cross_kv(memory).chunk(2, dim=-1)
        return self._heads(k), self._heads(v)

    def forward(
        self, x: torch.Tensor, memory: KeyValueCache, past: KeyValueCache | None, weights: bool
    ) -> tuple[torch.Tensor, KeyValueCache, torch.Tensor | None]:
        """Process new words.

        Parameters
        ----------
        x : (B, n, width) tensor
            New words.
        memory
            Keys and values of the patches.
        past
            Keys and values of earlier words; None where there are none.
        weights
            Whether to return the attention to patches.

        Returns
        -------
        x : (B, n, width) tensor
            Words after the block.
        cache : KeyValueCache
            Keys and values of all words so far.
        attention : (B, n, M) tensor, or None
            Attention to patches, mean over heads.
        """
        q, k, v = (self._heads(part) for part in self.words_qkv(self.norm_words(x)).chunk(3, dim=-1))
        if past is not None:
            k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
        causal = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).tril(k.shape[2] - q.shape[2])
        x = x + self.words_out(_merged_heads(scaled_dot_product_attention(q, k, v, causal.to(x.device))))
        q = self._heads(self.cross_q(self.norm_cross(x)))
        attention = (q @ memory[0].transpose(2, 3) / q.shape[-1] ** 0.5).softmax(-1) if weights else None
        mixed = scaled_dot_product_attention(q, *memory) if attention is None else attention @ memory[1]
        x = x + self.cross_out(_merged_heads(mixed))
        return x + self.mlp(self.norm_mlp(x)), (k, v), None if attention is None else attention.mean(1)

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)  # (B, n_heads, n, width / n_heads)


def _merged_heads(x: torch.Tensor) -> torch.Tensor:
    return x.transpose(1, 2).flatten(2)


class CaptionDecoder(nn.Module):
    """Predicts the next word from the words so far and the patches; the output shares the word embedding (tied).

    Parameters
    ----------
    config
        Size of the decoder.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.n_words, config.width)
        self.places = nn.Parameter(torch.zeros(config.max_words, config.width))
        self.patch_places = nn.Parameter(torch.zeros(config.n_patches, config.width))
        self.from_patches = nn.Linear(config.patch_width, config.width)
        self.norm_patches, self.norm = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.blocks = nn.ModuleList(DecoderBlock(config) for _ in range(config.depth))
        for table in (self.words.weight, self.places, self.patch_places):
            nn.init.normal_(table, std=0.02)

    def cross_attention_cache(self, patches: torch.Tensor) -> tuple[KeyValueCache, ...]:
        """Compute the keys and values of the patches for each block, once for all words.

        Parameters
        ----------
        patches : (B, M, patch_width) tensor
            Patches of a visual encoder.

        Returns
        -------
        tuple of KeyValueCache
            Keys and values for each block.
        """
        memory = self.norm_patches(self.from_patches(patches) + self.patch_places)
        return tuple(block.cross_attention_cache(memory) for block in self._typed_blocks())

    def forward(self, ids: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        """Predict the word after each word.

        Parameters
        ----------
        ids : (B, T) tensor
            Word ids.
        patches : (B, M, patch_width) tensor
            Patches of a visual encoder.

        Returns
        -------
        torch.Tensor
            (B, T, n_words) logits.
        """
        return self._run(ids, self.cross_attention_cache(patches), None, False)[0]

    def step(
        self, ids: torch.Tensor, memory: tuple[KeyValueCache, ...], past: tuple[KeyValueCache, ...] | None = None
    ) -> DecoderStep:
        """Process new words only; the result equals that of processing all words again.

        Parameters
        ----------
        ids : (B, n) tensor
            Ids of the new words.
        memory
            Keys and values of the patches, from `cross_attention_cache`.
        past
            Keys and values of earlier words, from the step before.

        Returns
        -------
        DecoderStep
            Logits, attention to patches, and keys and values of all words so far.
        """
        logits, attention, past = self._run(ids, memory, past, True)
        return DecoderStep(logits, torch.stack(attention).mean(0), past)

    def _run(
        self,
        ids: torch.Tensor,
        memory: tuple[KeyValueCache, ...],
        past: tuple[KeyValueCache, ...] | None,
        weights: bool,
    ) -> tuple[torch.Tensor, list[torch.Tensor], tuple[KeyValueCache, ...]]:
        """Logits, attention of each block where `weights`, and keys and values of all words so far."""
        start = 0 if past is None else past[0][0].shape[2]
        x = self.words(ids) + self.places[start : start + ids.shape[1]]
        attention, caches = [], []
        for i, block in enumerate(self.blocks):
            x, cache, weight = block(x, memory[i], None if past is None else past[i], weights)
            caches.append(cache)
            if weight is not None:
                attention.append(weight)
        return self.norm(x) @ self.words.weight.T, attention, tuple(caches)

    def _typed_blocks(self) -> Iterable[DecoderBlock]:
        return cast(Iterable[DecoderBlock], self.blocks)  # a ModuleList is typed as one of Module
