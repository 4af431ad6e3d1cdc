"""A slowly following twin of a module (MoCo; Lu et al. 2022, eqs. 3 and 4)."""

from __future__ import annotations

import copy

import torch
from torch import nn


class MomentumEncoder(nn.Module):
    """Holds theta_m and moves it towards theta: theta_m <- m theta_m + (1 - m) theta. Never receives a gradient."""

    def __init__(self, module: nn.Module, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.twin = copy.deepcopy(module).requires_grad_(False)

    @torch.no_grad()
    def follow(self, module: nn.Module) -> None:
        """One step of the moving average; parameters that are frozen in `module` are equal already and skipped."""
        for mine, theirs in zip(self.twin.parameters(), module.parameters(), strict=True):
            if theirs.requires_grad:
                mine.lerp_(theirs, 1 - self.momentum)
