"""Cross-modal MoCo: a dual stream, its momentum encoder and a queue for each modality (Lu et al. 2022, eqs. 1 to 7)."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from brivl.models.brivl.dual_stream import DualStream

Encoder = TypeVar("Encoder", bound=nn.Module)


@dataclass(frozen=True)
class EmbeddingPair:
    """Unit vectors (B, D) of images and of their texts, row by row."""

    image: torch.Tensor
    text: torch.Tensor


@dataclass(frozen=True)
class ContrastiveLoss:
    """The losses of both directions for one batch; their sum is minimised."""

    image_to_text: torch.Tensor
    text_to_image: torch.Tensor

    @property
    def total(self) -> torch.Tensor:
        """Sum of both directions.

        Returns
        -------
        torch.Tensor
            A scalar.
        """
        return self.image_to_text + self.text_to_image


def encode_pairs(model: DualStream, pixels: torch.Tensor, tokens: dict[str, torch.Tensor]) -> EmbeddingPair:
    """Embed both sides of a batch of pairs.

    Parameters
    ----------
    model
        The dual stream.
    pixels : (B, 3, H, W) tensor
        Normalised pixels.
    tokens
        "input_ids" and "attention_mask", (B, T) each.

    Returns
    -------
    EmbeddingPair
        (B, D) unit vectors of each side.
    """
    return EmbeddingPair(model.encode_image(pixels), model.encode_text(**tokens))


def info_nce(query: torch.Tensor, key: torch.Tensor, queue: torch.Tensor, temperature: float) -> torch.Tensor:
    """Compute InfoNCE against a queue of negatives.

    Parameters
    ----------
    query : (B, D) tensor
        Unit vectors.
    key : (B, D) tensor
        Unit vectors; row b is the positive of query b.
    queue : (n_negatives, D) tensor
        Unit vectors of the negatives.
    temperature
        tau.

    Returns
    -------
    torch.Tensor
        Mean over the batch of -log exp(q.k / tau) / (exp(q.k / tau) + sum_j exp(q.n_j / tau)).

    Notes
    -----
    Lu et al. 2022, eqs. 5 to 7. The keys of other rows are not negatives: only the queue is, as in the paper.
    """
    positive = (query * key).sum(-1, keepdim=True)  # (B, 1)
    negative = query @ queue.T  # (B, n_negatives)
    logits = torch.cat([positive, negative], dim=1) / temperature
    return cross_entropy(logits, torch.zeros(len(query), dtype=torch.long, device=query.device))


class MomentumEncoder(nn.Module, Generic[Encoder]):
    """An exponential moving average of a module's parameters, which receives no gradient.

    Parameters
    ----------
    module
        The module to follow.
    momentum
        m in theta_m <- m theta_m + (1 - m) theta.

    Notes
    -----
    MoCo (He et al. 2020); Lu et al. 2022, eqs. 3 and 4.
    """

    twin: Encoder  # stored checkpoints hold the average under this name

    def __init__(self, module: Encoder, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.twin = copy.deepcopy(module).requires_grad_(False)

    @property
    def ema(self) -> Encoder:
        """The module that holds the moving average.

        Returns
        -------
        Encoder
            A copy of the followed module with averaged parameters.
        """
        return self.twin

    @torch.no_grad()
    def follow(self, module: Encoder) -> None:
        """Take one step of the moving average.

        Parameters
        ----------
        module
            The followed module. Its frozen parameters are equal to the average and are skipped.
        """
        for average, current in zip(self.ema.parameters(), module.parameters(), strict=True):
            if current.requires_grad:
                average.lerp_(current, 1 - self.momentum)


class NegativeQueue(nn.Module):
    """A ring buffer of past keys, which serve as negatives (MoCo; Lu et al. 2022, Methods).

    Parameters
    ----------
    queue_size
        Number of keys.
    embed_dim
        Dimensions D of a key.
    generator
        Random generator of the initial keys; None for torch's own.
    """

    keys: torch.Tensor  # (queue_size, D) unit vectors
    pointer: torch.Tensor  # scalar: position of the oldest key

    def __init__(self, queue_size: int, embed_dim: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        start = torch.randn(queue_size, embed_dim, generator=generator)
        self.register_buffer("keys", normalize(start, dim=-1))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def push(self, keys: torch.Tensor) -> None:
        """Overwrite the oldest keys, with wrap-around.

        Parameters
        ----------
        keys : (B, D) tensor
            Unit vectors, B at most the size of the queue.
        """
        size = len(self.keys)
        if len(keys) > size:
            raise ValueError(f"Expected at most {size} keys, the size of the queue, got {len(keys)}.")
        positions = (self.pointer + torch.arange(len(keys), device=keys.device)) % size
        self.keys[positions] = keys
        self.pointer.copy_((self.pointer + len(keys)) % size)


class CrossModalMoCo(nn.Module):
    """The training objective around a dual stream; `model` is what is kept after training.

    One step is: `follow`, then `keys` and `loss` of every micro-batch, then `push` of all keys. The queues do not
    change in between, so a batch that is split into micro-batches or over processes gives the same step.

    Parameters
    ----------
    model
        The dual stream to train.
    """

    def __init__(self, model: DualStream) -> None:
        super().__init__()
        config = model.config
        self.model = model
        self.momentum = MomentumEncoder(model, config.momentum)
        self.visual_queue = NegativeQueue(config.queue_size, config.embed_dim)
        self.lingual_queue = NegativeQueue(config.queue_size, config.embed_dim)

    def forward(self, pixels: torch.Tensor, tokens: dict[str, torch.Tensor]) -> ContrastiveLoss:
        """Compute the loss of a batch, and move the momentum encoder and both queues by one step.

        Parameters
        ----------
        pixels : (B, 3, H, W) tensor
            Normalised pixels.
        tokens
            "input_ids" and "attention_mask", (B, T) each.

        Returns
        -------
        ContrastiveLoss
            Both directions.
        """
        query = encode_pairs(self.model, pixels, tokens)
        self.follow()
        key = self.keys(pixels, tokens)
        loss = self.loss(query, key)
        self.push(key)
        return loss

    def follow(self) -> None:
        """Move the momentum encoder by one step (eqs. 3 and 4)."""
        self.momentum.follow(self.model)

    @torch.no_grad()
    def keys(self, pixels: torch.Tensor, tokens: dict[str, torch.Tensor]) -> EmbeddingPair:
        """Embed a batch with the momentum encoder.

        Parameters
        ----------
        pixels : (B, 3, H, W) tensor
            Normalised pixels.
        tokens
            "input_ids" and "attention_mask", (B, T) each.

        Returns
        -------
        EmbeddingPair
            Keys, (B, D) unit vectors of each side.
        """
        return encode_pairs(self.momentum.ema, pixels, tokens)

    def loss(self, query: EmbeddingPair, key: EmbeddingPair) -> ContrastiveLoss:
        """Compute the losses of a batch against the queues as they are (eqs. 5 to 7).

        Parameters
        ----------
        query
            Embeddings by the trained model.
        key
            Embeddings by the momentum encoder.

        Returns
        -------
        ContrastiveLoss
            Both directions.
        """
        tau = self.model.config.temperature
        return ContrastiveLoss(
            image_to_text=info_nce(query.image, key.text, self.lingual_queue.keys.clone(), tau),
            text_to_image=info_nce(query.text, key.image, self.visual_queue.keys.clone(), tau),
        )

    def push(self, key: EmbeddingPair) -> None:
        """Put the keys of a whole batch into the queues.

        Parameters
        ----------
        key
            Embeddings by the momentum encoder.
        """
        self.visual_queue.push(key.image)
        self.lingual_queue.push(key.text)
