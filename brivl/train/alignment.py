"""Training of a text-aligned encoder (LLM-VEM, Ma et al. 2024) in two stages.

The first stage trains the mapping alone on a frozen backbone, the second one also the backbone's last blocks. Training
is stopped early by rows held out of the training rows. It is seeded and can be resumed bit for bit: the order of an
epoch depends on seed and epoch alone, and a checkpoint holds everything that changes.
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
from brivl.threads import torch_on_all_cores
from brivl.train.checkpoint import Checkpoint, load_optimizer, optimizer_tensors, read_checkpoint, save_checkpoint

BEST = "best/"  # prefix of the weights of the best epoch in a checkpoint
BATCH = 256  # rows of a prediction
OnEpoch = Callable[[float], None]  # share of the epochs that is done; may raise to stop


@dataclass(frozen=True)
class AlignedData:
    """Training rows, and which of them decide when to stop.

    Attributes
    ----------
    features : (n, n_features) float32 array
        Standardised features of the frozen backbone.
    components : (n, n_components) float32 array
        Principal components of the responses.
    texts : (n, n_text) float32 array
        Embeddings of the descriptions, unit vectors.
    description_ids : (n,) integer array
        Number of each description.
    fit_rows : integer array
        Rows that are trained on.
    held_out_rows : integer array
        Rows that decide when to stop.
    tokens : (n, T, width) float32 array, or None
        Inputs of the backbone's last blocks, for the second stage.
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
    """How one stage is trained."""

    weight: float  # lambda of the alignment loss
    seed: int = 0
    learning_rate: float = 1e-3
    weight_decay: float = 0.5
    blocks_rate: float = 1.0  # learning rate of the backbone's blocks, relative to that of the mapping
    batch: int = 128
    n_epochs: int = 100
    patience: int = 6  # epochs without a lower loss on the held-out rows
    temperature: float = 0.07
    save_every: int = 5  # epochs

    def __post_init__(self) -> None:
        if not (np.isfinite(self.weight) and 0 <= self.weight <= 1000):
            raise RequestError(f"Expected a lambda from 0 to 1000, got {self.weight!r}. Choose one in this range.")


FIRST_STAGE = AlignedSettings(0.0)
SECOND_STAGE = AlignedSettings(0.0, learning_rate=2e-4, blocks_rate=0.5, batch=64, n_epochs=6, patience=2, save_every=1)


@dataclass(frozen=True)
class TrainedStage:
    """One stage after training: the model of its best epoch, and the losses (training, held-out) of each epoch."""

    model: AlignedEncoder
    best_epoch: int
    losses: list[tuple[float, float]]

    @property
    def held_out_loss(self) -> float:
        """Regression loss of the held-out rows at the best epoch.

        Returns
        -------
        float
            The loss, 1 for predicting the mean.
        """
        return self.losses[self.best_epoch][1]


def train_first_stage(
    data: AlignedData, settings: AlignedSettings, out: Path | None = None, on_epoch: OnEpoch = lambda _share: None
) -> TrainedStage:
    """Train the mapping on features of the frozen backbone.

    Parameters
    ----------
    data
        Training rows.
    settings
        How the stage is trained.
    out
        Folder of checkpoints, from which the training is resumed; None to keep none.
    on_epoch
        Called before each epoch.

    Returns
    -------
    TrainedStage
        The model of the best epoch.
    """
    torch.manual_seed(settings.seed)
    size = AlignedSize(data.features.shape[1], data.components.shape[1], data.texts.shape[1])
    return _Run(AlignedEncoder(size), replace(data, tokens=None), settings, out).train(on_epoch)


@torch_on_all_cores()  # as the training of vit-mini: 1.6 times as fast on two cores
def train_second_stage(
    first: TrainedStage,
    upper: UpperBlocks,
    data: AlignedData,
    settings: AlignedSettings,
    out: Path | None = None,
    on_epoch: OnEpoch = lambda _share: None,
) -> TrainedStage:
    """Continue from the first stage and train the backbone's last blocks as well.

    Parameters
    ----------
    first
        The first stage.
    upper
        The blocks, of which a copy is trained.
    data
        Training rows, with tokens.
    settings
        How the stage is trained.
    out
        Folder of checkpoints, from which the training is resumed; None to keep none.
    on_epoch
        Called before each epoch.

    Returns
    -------
    TrainedStage
        The model of the best epoch.

    Raises
    ------
    RequestError
        If the data have no tokens.
    """
    if data.tokens is None:
        raise RequestError("Expected tokens of the backbone for the second stage, got none. Give them with the data.")
    model = copy.deepcopy(first.model)
    model.upper = copy.deepcopy(upper)
    return _Run(model, data, settings, out).train(on_epoch)


def predict_components(model: AlignedEncoder, features: np.ndarray, tokens: np.ndarray | None = None) -> np.ndarray:
    """Predict the components of the responses.

    Parameters
    ----------
    model
        The encoder.
    features : (n, n_features) array
        Standardised features.
    tokens : (n, T, width) array
        Tokens, for a model of the second stage.

    Returns
    -------
    np.ndarray
        (n, n_components) float32.
    """
    return _outputs(model, features, tokens)[0]


def embed_in_text_space(model: AlignedEncoder, features: np.ndarray, tokens: np.ndarray | None = None) -> np.ndarray:
    """Embed images in the space of the text encoder.

    Parameters
    ----------
    model
        The encoder.
    features : (n, n_features) array
        Standardised features.
    tokens : (n, T, width) array
        Tokens, for a model of the second stage.

    Returns
    -------
    np.ndarray
        (n, n_text) float32 unit vectors.
    """
    return _outputs(model, features, tokens)[1]


@torch.no_grad()
def _outputs(model: AlignedEncoder, features: np.ndarray, tokens: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    model.eval()
    batches = []
    for start in range(0, len(features), BATCH):
        rows = slice(start, start + BATCH)
        token_batch = None if tokens is None else torch.from_numpy(np.array(tokens[rows]))
        batches.append([out.numpy() for out in model(torch.from_numpy(np.array(features[rows])), token_batch)])
    components, vectors = zip(*batches, strict=True)
    return np.concatenate(components), np.concatenate(vectors)


class _Run:
    """The training of one stage."""

    def __init__(self, model: AlignedEncoder, data: AlignedData, settings: AlignedSettings, out: Path | None) -> None:
        self.model, self.data, self.settings, self.out = model.eval(), data, settings, out
        self.x, self.y = torch.from_numpy(data.features), torch.from_numpy(data.components)
        self.texts, self.description_ids = torch.from_numpy(data.texts), torch.from_numpy(data.description_ids)
        self.variance = float(self.y[data.fit_rows].var(0, unbiased=False).sum())
        blocks = [] if model.upper is None else list(model.upper.parameters())
        block_ids = {id(p) for p in blocks}
        mapping = [p for p in model.parameters() if id(p) not in block_ids]
        rate = settings.learning_rate
        self.optimizer = torch.optim.AdamW(
            [{"params": mapping, "lr": rate}, {"params": blocks, "lr": rate * settings.blocks_rate}],
            weight_decay=settings.weight_decay,
        )
        self.losses: list[tuple[float, float]] = []
        self.best_epoch = 0
        self.best_state: dict[str, torch.Tensor] = {}

    def train(self, on_epoch: OnEpoch) -> TrainedStage:
        """Train for the epochs that are left."""
        self._resume()
        while not self._ended():
            on_epoch(len(self.losses) / self.settings.n_epochs)
            loss = self._train_epoch(len(self.losses))
            self.losses.append((loss, self._held_out_loss()))
            if not self.best_state or self.losses[-1][1] < self.losses[self.best_epoch][1]:
                self.best_epoch = len(self.losses) - 1
                self.best_state = {name: value.clone() for name, value in self.model.state_dict().items()}
            if self.out is not None and (self._ended() or len(self.losses) % self.settings.save_every == 0):
                self._save(self.out)
        self.model.load_state_dict(self.best_state)
        return TrainedStage(self.model, self.best_epoch, self.losses)

    def _ended(self) -> bool:
        n = len(self.losses)
        return n >= self.settings.n_epochs or (n > 0 and n - 1 - self.best_epoch >= self.settings.patience)

    def _train_epoch(self, number: int) -> float:
        """Train for one epoch, in an order of its own; the mean loss."""
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
        aligned = alignment_loss(images, self.texts[rows], self.description_ids[rows], self.settings.temperature)
        return loss + self.settings.weight * aligned

    def _tokens(self, rows: torch.Tensor) -> torch.Tensor | None:
        return None if self.data.tokens is None else torch.from_numpy(self.data.tokens[rows.numpy()])

    def _held_out_loss(self) -> float:
        rows = self.data.held_out_rows
        tokens = None if self.data.tokens is None else self.data.tokens[rows]
        predicted = torch.from_numpy(predict_components(self.model, self.data.features[rows], tokens))
        return float(regression_loss(predicted, self.y[rows], self.variance))

    @property
    def _names(self) -> dict[torch.Tensor, str]:
        return {p: name for name, p in self.model.named_parameters()}

    def _digest(self) -> str:
        """Digest of settings and data; only a checkpoint of the same run is resumed."""
        total = hashlib.sha256(json.dumps(asdict(self.settings), sort_keys=True).encode())
        data = self.data
        for array in (
            data.features,
            data.components,
            data.texts,
            data.description_ids,
            data.fit_rows,
            data.held_out_rows,
            data.tokens,
        ):
            total.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        return total.hexdigest()[:32]

    def _save(self, out: Path) -> None:
        weights = self.model.state_dict()
        model = dict(weights) | {f"{BEST}{name}": value for name, value in self.best_state.items()}
        state = {"run": self._digest(), "losses": self.losses, "best": self.best_epoch}
        save_checkpoint(out, Checkpoint(len(self.losses), model, optimizer_tensors(self.optimizer, self._names), state))

    def _resume(self) -> None:
        """Continue from the newest checkpoint. Raises DataError where it is damaged or of another run."""
        checkpoint = None if self.out is None else read_checkpoint(self.out)
        if checkpoint is None:
            return
        if checkpoint.state.get("run") != self._digest():
            raise DataError(
                f"Expected a checkpoint of this run in {str(self.out)!r}, got one of other data or settings. Name "
                "another folder."
            )
        self._restore(checkpoint.model, checkpoint.optimizer, checkpoint.state)

    def _restore(
        self, model: Mapping[str, torch.Tensor], optimizer: Mapping[str, torch.Tensor], state: Mapping[str, Any]
    ) -> None:
        best = {name.removeprefix(BEST): value for name, value in model.items() if name.startswith(BEST)}
        try:
            self.model.load_state_dict({name: value for name, value in model.items() if not name.startswith(BEST)})
            load_optimizer(self.optimizer, self._names, optimizer)
            self.losses = [(float(a), float(b)) for a, b in state["losses"]]
            self.best_epoch, self.best_state = int(state["best"]), best
        except (RuntimeError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"Expected a checkpoint of this run in {str(self.out)!r}, got one that does not fit ({error}). Remove "
                "that folder."
            ) from error
