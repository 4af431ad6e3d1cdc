"""Generic Attention Explainability of the two streams (Chefer, Gur & Wolf 2021, section 3.1, self-attention only).

A layer's attention A mixes tokens, so the contribution of token j to token i is accumulated layer by layer. For a score
y to be explained, head h contributes as far as its attention increases y:

    A-bar = E_h[(dy/dA * A)^+]          eq. 5 of the paper
    R    <- R + A-bar R,  R_0 = I       eq. 6

Layers before `start_layer` are left out. BriVL's streams never attend to one another, so the paper's rules for
cross-attention (its eqs. 7 to 11) do not apply: each stream is explained alone, by y = <its unit vector, direction>,
where the direction is the other stream's vector.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import normalize

from brivl.errors import RequestError
from brivl.models.brivl.dual_stream import DualStream
from brivl.models.brivl.text_encoder import token_mean

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer
    from torch.utils.hooks import RemovableHandle
    from transformers import BertModel


_LOCK = threading.RLock()  # models are shared between threads, and their settings are changed during a run


@dataclass(frozen=True)
class Explanation:
    """Similarity and relevance of a batch.

    Attributes
    ----------
    similarity : (B,) tensor
        The score y.
    relevance : (n_starts, B, rows, columns) or (n_starts, B, T) tensor
        Relevance of patches or tokens for each start layer, at least 0, float32.
    """

    similarity: torch.Tensor
    relevance: torch.Tensor


def self_attention_relevance(
    attentions: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor], start_layer: int = 1
) -> torch.Tensor:
    """Accumulate attention over layers (eqs. 5 and 6).

    Parameters
    ----------
    attentions : sequence of (B, n_heads, T, T) tensors
        Attention probabilities of each layer.
    gradients : sequence of (B, n_heads, T, T) tensors
        Gradients of the score by these.
    start_layer
        First layer that is used, counted from 1; n_layers + 1 uses no layer and gives the identity.

    Returns
    -------
    torch.Tensor
        R (B, T, T): entry (i, j) is the relevance of input token j for token i of the last layer.

    Raises
    ------
    RequestError
        If the start layer is outside 1..n_layers + 1.
    """
    if not 1 <= start_layer <= len(attentions) + 1:
        raise RequestError(
            f"Expected a start layer from 1 to {len(attentions) + 1}, got {start_layer!r}. Choose one of these."
        )
    n_items, _, n_tokens, _ = attentions[0].shape
    R = torch.eye(n_tokens).expand(n_items, n_tokens, n_tokens)
    for A, dA in list(zip(attentions, gradients, strict=True))[start_layer - 1 :]:
        R = R + (dA * A).clamp(min=0).mean(1).float() @ R
    return R


def explain_image(
    model: DualStream, pixels: torch.Tensor, direction: torch.Tensor, start_layers: Sequence[int] = (1,)
) -> Explanation:
    """Compute the relevance of each patch for y = <image embedding, direction>, from the row of [CLS].

    The model is left as it was, its gradients too.

    Parameters
    ----------
    model
        The dual stream.
    pixels : (B, 3, H, W) tensor
        Normalised pixels.
    direction : (B, D) or (D,) tensor
        Direction in the shared space.
    start_layers
        First layers, counted from 1.

    Returns
    -------
    Explanation
        Relevance (n_starts, B, rows, columns) of the patch grid.

    Raises
    ------
    RequestError
        If a start layer does not exist.
    """
    visual = model.visual
    patch_embed: Any = visual.patch_embed  # timm's or `ConvStem`: both have grid_size
    with vit_attentions(visual) as attentions:
        embedding = model.encode_image(pixels.detach().clone().requires_grad_())
        similarity, R = _explained((embedding * direction).sum(-1), attentions, start_layers)
    patches = R[:, :, 0, visual.num_prefix_tokens :]  # (n_starts, B, n_patches)
    return Explanation(similarity, patches.unflatten(-1, patch_embed.grid_size))


def explain_text(
    model: DualStream, tokens: dict[str, torch.Tensor], direction: torch.Tensor, start_layers: Sequence[int] = (1,)
) -> Explanation:
    """Compute the relevance of each token for y = <text embedding, direction>, the mean of the rows of all tokens.

    The text embedding is the mean over the text's tokens, so no single row represents it. The contribution of a token
    to itself through R_0 = I is subtracted, since it is the same for all. The model is left as it was.

    Parameters
    ----------
    model
        The dual stream.
    tokens
        "input_ids" and "attention_mask", (B, T) each.
    direction : (B, D) or (D,) tensor
        Direction in the shared space.
    start_layers
        First layers, counted from 1.

    Returns
    -------
    Explanation
        Relevance (n_starts, B, T) of the tokens, 0 at padding.

    Raises
    ------
    RequestError
        If a start layer does not exist.
    """
    mask = tokens["attention_mask"]
    with bert_attentions(model.lingual) as attentions:
        words = model.lingual.get_input_embeddings()(tokens["input_ids"]).detach().requires_grad_()
        hidden = model.lingual(inputs_embeds=words, attention_mask=mask).last_hidden_state
        embedding = normalize(model.lingual_fc(token_mean(hidden, mask)), dim=-1)
        similarity, R = _explained((embedding * direction).sum(-1), attentions, start_layers)
    relevance = torch.stack([token_mean(r - torch.eye(r.shape[-1]), mask) for r in R])  # (n_starts, B, T)
    return Explanation(similarity, relevance * mask)


def _explained(
    score: torch.Tensor, attentions: Sequence[torch.Tensor], start_layers: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Similarity (B,) and R (n_starts, B, T, T). Items are independent, so the gradient of the sum is each one's."""
    gradients = torch.autograd.grad(score.sum(), list(attentions))
    kept = [A.detach() for A in attentions]
    return score.detach(), torch.stack([self_attention_relevance(kept, gradients, start) for start in start_layers])


@contextmanager
def vit_attentions(visual: VisionTransformer) -> Iterator[list[torch.Tensor]]:
    """Record the attention probabilities of every block of a timm ViT, with gradient.

    Fused attention does not compute them, so it is switched off meanwhile. They pass through a dropout layer, which
    does nothing in evaluation mode and is where the hooks are.

    Parameters
    ----------
    visual
        The ViT.

    Yields
    ------
    list of torch.Tensor
        (B, n_heads, T, T) of each block, filled while the ViT runs.
    """
    blocks: list[Any] = list(visual.blocks)  # torch types submodules as Module, without their attributes
    layers = [block.attn for block in blocks]
    fused = [layer.fused_attn for layer in layers]
    with _run(visual) as kept:
        hooks = [layer.attn_drop.register_forward_hook(lambda _m, _i, A: kept.append(A)) for layer in layers]
        try:
            for layer in layers:
                layer.fused_attn = False
            yield kept
        finally:
            for layer, previous in zip(layers, fused, strict=True):
                layer.fused_attn = previous
            _remove(hooks)


@contextmanager
def bert_attentions(lingual: BertModel) -> Iterator[list[torch.Tensor]]:
    """Record the attention probabilities of every layer of a BERT of transformers, with gradient.

    Parameters
    ----------
    lingual
        The BERT.

    Yields
    ------
    list of torch.Tensor
        (B, n_heads, T, T) of each layer, filled while the BERT runs.
    """
    previous = lingual.config._attn_implementation
    with _run(lingual) as kept:
        layers: list[Any] = list(lingual.encoder.layer)  # typed by torch as Module, without their attributes
        hooks = [
            layer.attention.self.register_forward_hook(lambda _m, _i, out: kept.append(out[1])) for layer in layers
        ]
        try:
            lingual.set_attn_implementation("eager")
            yield kept
        finally:
            lingual.set_attn_implementation(previous)
            _remove(hooks)


@contextmanager
def _run(model: torch.nn.Module) -> Iterator[list[torch.Tensor]]:
    """Run a shared model in evaluation mode, with gradients whatever the caller's setting is."""
    with _LOCK, torch.inference_mode(False), torch.enable_grad():
        training = model.training
        model.eval()
        try:
            yield []
        finally:
            model.train(training)


def _remove(hooks: Sequence[RemovableHandle]) -> None:
    for hook in hooks:
        hook.remove()
