"""Generic Attention Explainability of the two streams (Chefer, Gur & Wolf 2021, section 3.1, self-attention only).

A layer's attention A mixes tokens, so what token i is told of token j is added up layer by layer. With a score y to be
explained, head h counts as far as its attention speaks for y:

    A-bar = E_h[(dy/dA * A)^+]          eq. 5 of the paper
    R    <- R + A-bar R,  R_0 = I       eq. 6

Layers before `start_layer` are left out. BriVL's streams never attend to one another, so the paper's rules for
cross-attention (its eqs. 7 to 11) have nothing to act on: each stream is explained alone, by y = <its unit vector,
direction>, where the direction is the other stream's vector.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import normalize

from brivl.errors import RequestError
from brivl.models.brivl.dual_stream import DualStream
from brivl.models.brivl.text_encoder import token_mean

# Best on validation scenes (brivl.train.attention_evaluation); in the text all layers do equally well.
IMAGE_START, TEXT_START = 6, 1


_ONE_AT_A_TIME = threading.RLock()  # models are shared, and are switched for the time of a run


@dataclass(frozen=True)
class Explanation:
    """similarity (B,) = y; relevance, not below 0, float32, for each start layer asked for.

    relevance: (n_starts, B, rows, columns) of patches, or (n_starts, B, T) of tokens.
    """

    similarity: torch.Tensor
    relevance: torch.Tensor


def self_attention_relevance(
    attentions: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor], start_layer: int = 1
) -> torch.Tensor:
    """Relevance R (B, T, T): row i says what token i of the last layer rests on, column j which token of the first.

    attentions, gradients: for each layer (B, n_heads, T, T). start_layer counts from 1; n_layers + 1 takes no layer
    and gives the identity. Raises RequestError for a start layer outside 1..n_layers + 1.
    """
    if not 1 <= start_layer <= len(attentions) + 1:
        raise RequestError(
            f"Wanted a start layer from 1 to {len(attentions) + 1} and got {start_layer!r}; choose one of these."
        )
    n_items, _, n_tokens, _ = attentions[0].shape
    R = torch.eye(n_tokens).expand(n_items, n_tokens, n_tokens)
    for A, dA in list(zip(attentions, gradients, strict=True))[start_layer - 1 :]:
        R = R + (dA * A).clamp(min=0).mean(1).float() @ R
    return R


def explain_image(
    model: DualStream, pixels: torch.Tensor, direction: torch.Tensor, start_layers: Sequence[int] = (1,)
) -> Explanation:
    """Relevance of each patch for y = <image embedding, direction>, read from the row of [CLS].

    pixels (B, 3, H, W) normalised; direction (B, D) or (D,). Gives relevance (n_starts, B, rows, columns) of the patch
    grid. Leaves the model as it was, its gradients too. Raises RequestError for a start layer that does not exist.
    """
    visual = model.visual
    with vit_attentions(visual) as attentions:
        embedding = model.encode_image(pixels.detach().clone().requires_grad_())
        similarity, R = _explained((embedding * direction).sum(-1), attentions, start_layers)
    patches = R[:, :, 0, visual.num_prefix_tokens :]  # (n_starts, B, n_patches)
    return Explanation(similarity, patches.unflatten(-1, visual.patch_embed.grid_size))


def explain_text(
    model: DualStream, tokens: dict[str, torch.Tensor], direction: torch.Tensor, start_layers: Sequence[int] = (1,)
) -> Explanation:
    """Relevance of each token for y = <text embedding, direction>, the mean of the rows of the text's tokens.

    The text embedding is the mean over the text's tokens, so no one row stands for it. tokens: input_ids and
    attention_mask (B, T); direction (B, D) or (D,). Gives relevance (n_starts, B, T), 0 at padding. What a
    token has from itself through R_0 = I is taken off, since it is the same for all. Leaves the model as it was.
    Raises RequestError for a start layer that does not exist.
    """
    mask = tokens["attention_mask"]
    with bert_attentions(model.lingual) as attentions:
        words = model.lingual.get_input_embeddings()(tokens["input_ids"]).detach().requires_grad_()
        hidden = model.lingual(inputs_embeds=words, attention_mask=mask).last_hidden_state
        embedding = normalize(model.lingual_fc(token_mean(hidden, mask)), dim=-1)
        similarity, R = _explained((embedding * direction).sum(-1), attentions, start_layers)
    own = torch.stack([token_mean(r - torch.eye(r.shape[-1]), mask) for r in R])  # (n_starts, B, T)
    return Explanation(similarity, own * mask)


def _explained(
    score: torch.Tensor, attentions: Sequence[torch.Tensor], start_layers: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Similarity (B,) and R (n_starts, B, T, T). Items of a batch do not touch, so the sum's gradient is each one's."""
    gradients = torch.autograd.grad(score.sum(), list(attentions))
    kept = [A.detach() for A in attentions]
    return score.detach(), torch.stack([self_attention_relevance(kept, gradients, start) for start in start_layers])


@contextmanager
def vit_attentions(visual: torch.nn.Module) -> Iterator[list[torch.Tensor]]:
    """Attention probabilities (B, n_heads, T, T) of every block of a timm ViT, with gradient, as it runs.

    Fused attention never makes them, so it is off meanwhile. A dropout layer that does nothing in evaluation mode is
    handed them on their way, which is where the hook sits.
    """
    layers = [block.attn for block in visual.blocks]
    fused = [layer.fused_attn for layer in layers]
    with _run(visual) as kept:
        hooks = [layer.attn_drop.register_forward_hook(lambda _m, _i, A: kept.append(A)) for layer in layers]
        try:
            for layer in layers:
                layer.fused_attn = False
            yield kept
        finally:
            for layer, was in zip(layers, fused, strict=True):
                layer.fused_attn = was
            _remove(hooks)


@contextmanager
def bert_attentions(lingual: torch.nn.Module) -> Iterator[list[torch.Tensor]]:
    """Attention probabilities (B, n_heads, T, T) of every layer of a transformers BERT, with gradient, as it runs."""
    was = lingual.config._attn_implementation
    with _run(lingual) as kept:
        hooks = [
            layer.attention.self.register_forward_hook(lambda _m, _i, out: kept.append(out[1]))
            for layer in lingual.encoder.layer
        ]
        try:
            lingual.set_attn_implementation("eager")
            yield kept
        finally:
            lingual.set_attn_implementation(was)
            _remove(hooks)


@contextmanager
def _run(model: torch.nn.Module) -> Iterator[list[torch.Tensor]]:
    """One run of a shared model in evaluation mode, gradients on whatever the caller had."""
    with _ONE_AT_A_TIME, torch.inference_mode(False), torch.enable_grad():
        training = model.training
        model.eval()
        try:
            yield []
        finally:
            model.train(training)


def _remove(hooks: Sequence[Any]) -> None:
    for hook in hooks:
        hook.remove()
