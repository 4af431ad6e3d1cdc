"""Ridge with delays fitted to one modality, what it predicts of both, and what of that goes through one dimension."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from brivl.core.encoding.cv_splits import Split, cv_splits
from brivl.core.encoding.delays import delays_at, onsets_of, run_labels
from brivl.core.encoding.fold_responses import preprocess_features, ridge_for, split_responses
from brivl.core.encoding.presets import Preset
from brivl.core.inference.blocks import Blocks, PermutationSettings, blocks_in_runs
from brivl.core.records import Design, Responses
from brivl.core.transfer.components import mean_over_delays
from brivl.core.transfer.maps import negative_region_p, region_signs, score_regions, single_band_weights, voxel_p_values
from brivl.errors import RequestError

ENOUGH = 200  # draws where p is only held against .05, of thousands of voxels


@dataclass(frozen=True)
class ModalityData:
    """One modality of a subject: responses of the voxels that take part, as they are fitted and scored."""

    design: Design
    preset: Preset
    rows: Split
    Y_train: np.ndarray  # (n_train, n_voxels)
    Y_test: np.ndarray  # (n_test, n_voxels)

    @property
    def n_delays(self) -> int:
        return len(delays_at(self.preset.delays_s, self.design.tr or 1.0))

    def ready(self, X: np.ndarray) -> np.ndarray:
        """Features (n_samples, n_features) of this session, centred on its training rows and delayed within runs."""
        return preprocess_features(X, self.rows.train, self.design, self.preset)

    def training_blocks(self, seconds: float) -> Blocks:
        """Blocks of the training rows, within runs."""
        return self._blocks_of(self.rows.train, seconds)

    def test_blocks(self, seconds: float) -> Blocks:
        """Blocks of the test rows, within runs."""
        if not self.design.n_test:
            return self._blocks_of(self.rows.test, seconds)
        return blocks_in_runs(self.design.test_onsets, self.design.n_test, self.design.tr or 1.0, seconds)

    def _blocks_of(self, rows: np.ndarray, seconds: float) -> Blocks:
        onsets = onsets_of(run_labels(self.design.run_onsets, self.design.n_train)[rows])
        return blocks_in_runs(onsets, len(rows), self.design.tr or 1.0, seconds)


def prepare_modality(responses: Responses, columns: np.ndarray, design: Design, preset: Preset) -> ModalityData:
    """The voxels `columns` of a modality, scored on its test run or, where it has none, on runs that are held out.

    These are the first of the outer folds; rows are never shuffled, whatever the preset does with them, since blocks
    of neighbours change places. Raises RequestError without a TR.
    """
    if design.tr is None:
        raise RequestError("Wanted time series of both modalities, and one has no time between samples (TR).")
    rows = cv_splits(design, replace(preset, outer="grouped"))[0]
    repeats = np.asarray(responses.Y_test[:, :, columns]) if design.n_test and responses.Y_test is not None else None
    part = split_responses(np.asarray(responses.Y_train[:, columns]), repeats, rows, design, preset)
    clean = [np.nan_to_num(Y).astype(np.float32) for Y in (part.Y_train, part.Y_test)]
    return ModalityData(design, preset, rows, *clean)


@dataclass(frozen=True)
class TransferPredictions:
    """Predictions of one model: of its own test run, and of the other modality's training and test rows."""

    own: np.ndarray  # (n_test, n_voxels)
    across_train: np.ndarray
    across_test: np.ndarray
    weights: np.ndarray  # (n_delays * n_features, n_voxels) float32


def fit_and_transfer(
    source: ModalityData, own: np.ndarray, target: ModalityData, across: np.ndarray
) -> TransferPredictions:
    """Fit a modality and predict both.

    own: features of the source (n_samples, n_features); across: those of the target in the same space. Both are centred
    on the training rows of their own modality, whose means differ for reasons other than content.
    """
    X, Z = source.ready(own), target.ready(across)
    ridge = ridge_for(1, source.rows.train, source.design, source.preset)
    ridge.fit([X[source.rows.train]], source.Y_train)
    W = single_band_weights(ridge)
    return TransferPredictions(X[source.rows.test] @ W, Z[target.rows.train] @ W, Z[target.rows.test] @ W, W)


def project_through(Z: np.ndarray, W: np.ndarray, read: np.ndarray, write: np.ndarray) -> np.ndarray:
    """What weights predict by way of one dimension: sum over delays of (Z_d read) (write' W_d), (n_samples, n_voxels).

    Z (n_samples, n_delays * n_features) delayed, W (n_delays * n_features, n_voxels), read and write (n_features,).
    """
    n_features = len(read)
    seen = Z.reshape(len(Z), -1, n_features) @ read  # (n_samples, n_delays)
    told = np.einsum("f,dfv->dv", write, W.reshape(-1, n_features, W.shape[1]))
    return seen @ told


@dataclass(frozen=True)
class TransferScores:
    """Scores of both directions, by the modality that is predicted."""

    within: Mapping[str, np.ndarray]  # modality -> (n_regions,) mean r of its own model
    raw: Mapping[str, np.ndarray]  # modality -> (n_regions,) mean r of the other one's model, no sign turned
    across: Mapping[str, np.ndarray]  # the same, corrected
    p: Mapping[str, np.ndarray]  # of `across`
    q: Mapping[str, np.ndarray]
    sign: np.ndarray  # (n_voxels,)
    turned: list[str]


def score_both_directions(
    sessions: Mapping[str, ModalityData],
    carried: Mapping[str, TransferPredictions],
    masks: Mapping[str, np.ndarray],
    visual: tuple[str, ...],
    how: tuple[float, PermutationSettings],
) -> TransferScores:
    """carried: by the modality fitted. visual: regions whose sign may be turned; how: seconds of a block, draws.

    Signs are chosen on training rows of the modality predicted, which the transferred model has not seen.
    """
    seconds, draws = how
    eyes = {name: masks[name] for name in visual if name in masks}
    p_inverse, n_voxels = [], next(iter(masks.values())).size
    if eyes:
        for target, source in transfer_directions(sessions):
            blocks = sessions[target].training_blocks(seconds)
            p_inverse.append(
                negative_region_p(sessions[target].Y_train, carried[source].across_train, eyes, blocks, draws)
            )
    sign, turned = region_signs(p_inverse, eyes) if eyes else (np.ones(n_voxels, int), [])
    found: dict[str, dict[str, np.ndarray]] = {name: {} for name in ("within", "raw", "across", "p", "q")}
    for target, source in transfer_directions(sessions):
        Y, blocks = sessions[target].Y_test, sessions[target].test_blocks(seconds)
        found["within"][target] = score_regions(Y, carried[target].own, masks, blocks, draws).r
        found["raw"][target] = score_regions(Y, carried[source].across_test, masks, blocks, draws).r
        corrected = score_regions(Y, carried[source].across_test * sign, masks, blocks, draws)
        found["across"][target], found["p"][target] = corrected.r, corrected.p
        found["q"][target] = corrected.q
    return TransferScores(**found, sign=sign, turned=turned)


def transfer_directions(sessions: Mapping[str, ModalityData]) -> list[tuple[str, str]]:
    """(predicted, fitted) of both directions."""
    first, second = sessions
    return [(first, second), (second, first)]


def multimodal_voxels(
    sessions: Mapping[str, ModalityData],
    carried: Mapping[str, TransferPredictions],
    sign: np.ndarray,
    how: tuple[float, PermutationSettings],
) -> np.ndarray:
    """(n_voxels,) bool: transferred both ways with p < .05 each, on training rows of the modality predicted."""
    seconds, draws = how
    draws = PermutationSettings(min(draws.n_permutations, ENOUGH), draws.seed)
    passed = []
    for target, source in transfer_directions(sessions):
        blocks, across = sessions[target].training_blocks(seconds), carried[source].across_train * sign
        passed.append(voxel_p_values(sessions[target].Y_train, across, blocks, draws) < 0.05)
    return passed[0] & passed[1]


def mean_weights(carried: TransferPredictions, n_delays: int) -> np.ndarray:
    """(n_features, n_voxels), the mean over delays."""
    return mean_over_delays(carried.weights, n_delays)
