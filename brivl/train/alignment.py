"""Training of a text-aligned encoder (LLM-VEM, Ma et al. 2024) in two stages: the mapping alone on a frozen backbone,
then with the backbone's last blocks. Seeded, stopped early on rows held out of the training rows, and resumable to the
bit: the order of a pass depends on seed and pass alone, and a checkpoint holds all that changes.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brivl.errors import DataError, RequestError
from brivl.models.alignment.backbone_blocks import UpperBlocks
from brivl.models.alignment.encoder import AlignedEncoder, AlignedSize, alignment_loss, regression_loss
from brivl.train.checkpoint import Checkpoint, load_optimizer, optimizer_tensors, read_checkpoint, save_checkpoint

BEST = "best/"  # before the names of the weights that were best so far
Tell = Callable[[float], None]  # share that is done; may raise


@dataclass(frozen=True)
class AlignedData:
    """Rows that are trained on, and those that say when to stop.

    features (n, n_features) standardised, components (n, n_components), texts (n, n_text) unit vectors, same (n,) the
    number of each description; float32 but the last. fit and held: rows. tokens (n, T, width): for the second stage.
    """

    features: np.ndarray
    components: np.ndarray
    texts: np.ndarray
    description_ids: np.ndarray
    fit_rows: np.ndarray
    held_out_rows: np.ndarray
    tokens: np.ndarray | None = None


@dataclass(frozen=True)
class AlignedSettings:
    """How one stage is trained. weight: lambda of the alignment loss."""

    weight: float
    seed: int = 0
    learning_rate: float = 1e-3
    weight_decay: float = 0.5
    blocks_rate: float = 1.0  # learning rate of the backbone's blocks, relative to that of the mapping
    batch: int = 128
    n_epochs: int = 100
    patience: int = 6  # passes without a lower loss on the held rows
    temperature: float = 0.07
    save_every: int = 5  # passes

    def __post_init__(self) -> None:
        if not (np.isfinite(self.weight) and 0 <= self.weight <= 1000):
            raise RequestError(f"Wanted a lambda from 0 to 1000 and got {self.weight!r}.")


FIRST_STAGE = AlignedSettings(0.0)
SECOND_STAGE = AlignedSettings(0.0, learning_rate=2e-4, blocks_rate=0.5, batch=64, n_epochs=6, patience=2, save_every=1)


@dataclass(frozen=True)
class TrainedStage:
    """One stage after training: the model at its best pass, and by pass the losses (training, held regression)."""

    model: AlignedEncoder
    best_epoch: int
    losses: list[tuple[float, float]]

    @property
    def held_out_loss(self) -> float:
        """Regression loss of the held rows at the best pass: 1 for predicting the mean."""
        return self.losses[self.best_epoch][1]


def train_first_stage(
    data: AlignedData, settings: AlignedSettings, out: Path | None = None, tell: Tell = lambda _share: None
) -> TrainedStage:
    """Train the mapping on features of the frozen backbone. out: folder of checkpoints, from which a run goes on."""
    torch.manual_seed(settings.seed)
    size = AlignedSize(data.features.shape[1], data.components.shape[1], data.texts.shape[1])
    return _Run(AlignedEncoder(size), replace(data, tokens=None), settings, out).train(tell)


def train_second_stage(
    first: TrainedStage,
    upper: UpperBlocks,
    data: AlignedData,
    settings: AlignedSettings,
    out: Path | None = None,
    tell: Tell = lambda _share: None,
) -> TrainedStage:
    """Go on from the first stage with the blocks in `upper`, of which a copy is trained."""
    if data.tokens is None:
        raise RequestError("Wanted tokens of the backbone for the second stage and got none; give them with the data.")
    model = copy.deepcopy(first.model)
    model.upper = copy.deepcopy(upper)
    return _Run(model, data, settings, out).train(tell)


def predict_components(model: AlignedEncoder, features: np.ndarray, tokens: np.ndarray | None = None) -> np.ndarray:
    """Components (n, n_components) float32 of features (n, n_features) and, after the second stage, tokens."""
    return _outputs(model, features, tokens)[0]


def embed_in_text_space(model: AlignedEncoder, features: np.ndarray, tokens: np.ndarray | None = None) -> np.ndarray:
    """Image embeddings (n, n_text) float32 as unit vectors, of the same."""
    return _outputs(model, features, tokens)[1]


@torch.no_grad()
def _outputs(model: AlignedEncoder, features: np.ndarray, tokens: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    model.eval()
    parts = []
    for start in range(0, len(features), 256):
        rows = slice(start, start + 256)
        part = None if tokens is None else torch.from_numpy(np.array(tokens[rows]))
        parts.append([out.numpy() for out in model(torch.from_numpy(np.array(features[rows])), part)])
    components, vectors = zip(*parts, strict=True)
    return np.concatenate(components), np.concatenate(vectors)


class _Run:
    """One stage under way."""

    def __init__(self, model: AlignedEncoder, data: AlignedData, settings: AlignedSettings, out: Path | None) -> None:
        self.model, self.data, self.settings, self.out = model.eval(), data, settings, out
        self.x, self.y = torch.from_numpy(data.features), torch.from_numpy(data.components)
        self.texts, self.same = torch.from_numpy(data.texts), torch.from_numpy(data.description_ids)
        self.variance = float(self.y[data.fit_rows].var(0, unbiased=False).sum())
        blocks = [] if model.upper is None else list(model.upper.parameters())
        known = {id(p) for p in blocks}
        mapping = [p for p in model.parameters() if id(p) not in known]
        rate = settings.learning_rate
        self.optimizer = torch.optim.AdamW(
            [{"params": mapping, "lr": rate}, {"params": blocks, "lr": rate * settings.blocks_rate}],
            weight_decay=settings.weight_decay,
        )
        self.losses: list[tuple[float, float]] = []
        self.best = 0
        self.best_state: dict[str, torch.Tensor] = {}

    def train(self, tell: Tell) -> TrainedStage:
        """All passes that are still to be made."""
        self._resume()
        while not self._ended():
            tell(len(self.losses) / self.settings.n_epochs)
            loss = self._one_pass(len(self.losses))
            self.losses.append((loss, self._held_loss()))
            if not self.best_state or self.losses[-1][1] < self.losses[self.best][1]:
                self.best = len(self.losses) - 1
                self.best_state = {name: value.clone() for name, value in self.model.state_dict().items()}
            if self.out is not None and (self._ended() or len(self.losses) % self.settings.save_every == 0):
                self._save(self.out)
        self.model.load_state_dict(self.best_state)
        return TrainedStage(self.model, self.best, self.losses)

    def _ended(self) -> bool:
        n = len(self.losses)
        return n >= self.settings.n_epochs or (n > 0 and n - 1 - self.best >= self.settings.patience)

    def _one_pass(self, number: int) -> float:
        """Mean loss of a pass over the fitted rows, in an order of its own."""
        order = np.random.default_rng([self.settings.seed, number]).permutation(self.data.fit_rows)
        total = 0.0
        for start in range(0, len(order), self.settings.batch):
            rows = torch.from_numpy(order[start : start + self.settings.batch])
            loss = self._loss(rows)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(rows)
        return total / len(order)

    def _loss(self, rows: torch.Tensor) -> torch.Tensor:
        predicted, images = self.model(self.x[rows], self._tokens(rows))
        loss = regression_loss(predicted, self.y[rows], self.variance)
        if not self.settings.weight:
            return loss
        aligned = alignment_loss(images, self.texts[rows], self.same[rows], self.settings.temperature)
        return loss + self.settings.weight * aligned

    def _tokens(self, rows: torch.Tensor) -> torch.Tensor | None:
        return None if self.data.tokens is None else torch.from_numpy(self.data.tokens[rows.numpy()])

    def _held_loss(self) -> float:
        held = self.data.held_out_rows
        tokens = None if self.data.tokens is None else self.data.tokens[held]
        predicted = torch.from_numpy(predict_components(self.model, self.data.features[held], tokens))
        return float(regression_loss(predicted, self.y[held], self.variance))

    @property
    def _names(self) -> dict[torch.Tensor, str]:
        return {p: name for name, p in self.model.named_parameters()}

    def _digest(self) -> str:
        """Of settings and data: a checkpoint of another run is not gone on from."""
        total = hashlib.sha256(json.dumps(asdict(self.settings), sort_keys=True).encode())
        for name in ("features", "components", "texts", "description_ids", "fit_rows", "held_out_rows", "tokens"):
            part = getattr(self.data, name)
            total.update(b"-" if part is None else np.ascontiguousarray(part).tobytes())
        return total.hexdigest()[:32]

    def _save(self, out: Path) -> None:
        weights = self.model.state_dict()
        model = dict(weights) | {f"{BEST}{name}": value for name, value in self.best_state.items()}
        state = {"run": self._digest(), "losses": self.losses, "best": self.best}
        save_checkpoint(out, Checkpoint(len(self.losses), model, optimizer_tensors(self.optimizer, self._names), state))

    def _resume(self) -> None:
        """Go on from the newest checkpoint in `out`. Raises DataError where it is damaged or of another run."""
        found = None if self.out is None else read_checkpoint(self.out)
        if found is None:
            return
        if found.state.get("run") != self._digest():
            raise DataError(f"The checkpoint in {str(self.out)!r} is of other data or settings; name another folder.")
        self._take(found.model, found.optimizer, found.state)

    def _take(
        self, model: Mapping[str, torch.Tensor], optimizer: Mapping[str, torch.Tensor], state: Mapping[str, Any]
    ) -> None:
        best = {name.removeprefix(BEST): value for name, value in model.items() if name.startswith(BEST)}
        try:
            self.model.load_state_dict({name: value for name, value in model.items() if not name.startswith(BEST)})
            load_optimizer(self.optimizer, self._names, optimizer)
            self.losses = [(float(a), float(b)) for a, b in state["losses"]]
            self.best, self.best_state = int(state["best"]), best
        except (RuntimeError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"The checkpoint in {str(self.out)!r} does not fit this run ({error}); remove that folder."
            ) from error
