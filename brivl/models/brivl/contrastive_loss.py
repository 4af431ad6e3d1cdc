"""InfoNCE against a queue (Lu et al. 2022, eqs. 5 to 7)."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy


def info_nce(query: torch.Tensor, key: torch.Tensor, queue: torch.Tensor, temperature: float) -> torch.Tensor:
    """Mean of -log exp(q.k / tau) / (exp(q.k / tau) + sum_j exp(q.n_j / tau)) over the batch.

    query, key: (B, D) unit vectors, row b of one belongs to row b of the other; queue: (n_negatives, D). The key of
    another row is not a negative here: only the queue is, as in the paper.
    """
    positive = (query * key).sum(-1, keepdim=True)  # (B, 1)
    negative = query @ queue.T  # (B, n_negatives)
    logits = torch.cat([positive, negative], dim=1) / temperature
    return cross_entropy(logits, torch.zeros(len(query), dtype=torch.long, device=query.device))
