"""Fit encoding models with delays to one modality, transfer them to the other, and score both directions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from brivl.core.encoding.cv_splits import Split, cv_splits
from brivl.core.encoding.delays import onsets_of, run_labels
from brivl.core.encoding.fold_responses import preprocess_features, ridge_for, split_voxels
from brivl.core.encoding.presets import FitProtocol, Preset, lags
from brivl.core.inference.blocks import Blocks, PermutationSettings, blocks_in_runs
from brivl.core.records import Design, Responses
from brivl.core.transfer.components import mean_over_delays
from brivl.core.transfer.maps import negative_region_p, region_signs, score_regions, single_band_weights, voxel_p_values
from brivl.errors import RequestError

MAX_VOXEL_PERMUTATIONS = 200  # where the p of thousands of voxels is only compared with .05


@dataclass(frozen=True)
class ModalityData:
    """Responses of one subject to one modality, as they are fitted and scored."""

    design: Design
    preset: Preset
    rows: Split
    Y_train: np.ndarray  # (n_train, n_voxels)
    Y_test: np.ndarray  # (n_test, n_voxels)

    @property
    def n_delays(self) -> int:
        """Number of delays of the model.

        Returns
        -------
        int
            Number of delays.
        """
        return len(lags(self.preset, self.design.tr or 1.0))

    def delayed_features(self, X: np.ndarray) -> np.ndarray:
        """Centre features on the training rows and delay them within runs.

        Parameters
        ----------
        X : (n_samples, n_features) array
            Features of this modality.

        Returns
        -------
        (n_samples, n_delays * n_features) array
            Delayed features.
        """
        return preprocess_features(X, self.rows.train, self.design, self.preset)

    def training_blocks(self, seconds: float) -> Blocks:
        """Divide the training rows into blocks within runs.

        Parameters
        ----------
        seconds : float
            Duration of a block.

        Returns
        -------
        Blocks
            Blocks that may be permuted.
        """
        return self._blocks_of(self.rows.train, seconds)

    def test_blocks(self, seconds: float) -> Blocks:
        """Divide the test rows into blocks within runs.

        Parameters
        ----------
        seconds : float
            Duration of a block.

        Returns
        -------
        Blocks
            Blocks that may be permuted.
        """
        if not self.design.n_test:
            return self._blocks_of(self.rows.test, seconds)
        rows = self.rows.test - self.design.n_train
        onsets = onsets_of(run_labels(self.design.test_onsets, self.design.n_test)[rows])
        return blocks_in_runs(onsets, len(rows), self.design.tr or 1.0, seconds)

    def _blocks_of(self, rows: np.ndarray, seconds: float) -> Blocks:
        onsets = onsets_of(run_labels(self.design.run_onsets, self.design.n_train)[rows])
        return blocks_in_runs(onsets, len(rows), self.design.tr or 1.0, seconds)


def prepare_modality(responses: Responses, voxel_indices: np.ndarray, design: Design, preset: Preset) -> ModalityData:
    """Select voxels and split the samples of one modality into training and test rows.

    The test rows are the test run or, where there is none, the first of the outer folds. Rows are never shuffled,
    whatever the preset says, because blocks of neighbouring samples are permuted.

    Parameters
    ----------
    responses : Responses
        Responses of one subject.
    voxel_indices : (n_voxels,) int array
        Voxels to keep.
    design : Design
        Design of the modality; it needs a TR.
    preset : Preset
        Protocol of the fit.

    Returns
    -------
    ModalityData
        Standardised responses and the split.

    Raises
    ------
    RequestError
        If the design has no TR.
    """
    if design.tr is None:
        raise RequestError(
            "Expected time series of both modalities, got one without a repetition time (TR). Choose a dataset of "
            "continuous stimuli."
        )
    rows = cv_splits(design, replace(preset, outer="grouped"))[0]
    split = split_voxels(responses, voxel_indices, rows, FitProtocol(design, preset))
    Y_train, Y_test = (np.nan_to_num(Y).astype(np.float32) for Y in (split.Y_train, split.Y_test))
    return ModalityData(design, preset, rows, Y_train, Y_test)


@dataclass(frozen=True)
class TransferPredictions:
    """Predictions of one model: of its own test rows, and of the other modality's training and test rows."""

    within_test: np.ndarray  # (n_test, n_voxels)
    across_train: np.ndarray  # (n_train of the other modality, n_voxels)
    across_test: np.ndarray  # (n_test of the other modality, n_voxels)
    weights: np.ndarray  # (n_delays * n_features, n_voxels) float32


def fit_and_transfer(
    source: ModalityData, source_features: np.ndarray, target: ModalityData, target_features: np.ndarray
) -> TransferPredictions:
    """Fit an encoding model to one modality and predict the responses to both.

    Parameters
    ----------
    source : ModalityData
        Modality that the model is fitted to.
    source_features : (n_samples, n_features) array
        Features of the source.
    target : ModalityData
        Modality that the model is transferred to.
    target_features : (n_samples, n_features) array
        Features of the target in the same space.

    Returns
    -------
    TransferPredictions
        Predictions of both modalities, and the weights.

    Notes
    -----
    Features are centred on the training rows of their own modality, because the means of the two modalities differ for
    reasons other than content.
    """
    X, Z = source.delayed_features(source_features), target.delayed_features(target_features)
    ridge = ridge_for(1, source.rows.train, source.design, source.preset)
    ridge.fit([X[source.rows.train]], source.Y_train)
    W = single_band_weights(ridge)
    return TransferPredictions(X[source.rows.test] @ W, Z[target.rows.train] @ W, Z[target.rows.test] @ W, W)


def project_through(Z: np.ndarray, W: np.ndarray, read: np.ndarray, write: np.ndarray) -> np.ndarray:
    """Predict responses by way of a single dimension of the feature space.

    Parameters
    ----------
    Z : (n_samples, n_delays * n_features) array
        Delayed features.
    W : (n_delays * n_features, n_voxels) array
        Encoding weights.
    read : (n_features,) array
        Vector that projects features on the dimension.
    write : (n_features,) array
        Vector that projects weights on the dimension.

    Returns
    -------
    (n_samples, n_voxels) array
        The sum over delays d of (Z_d read) (write' W_d).
    """
    n_features = len(read)
    scores = Z.reshape(len(Z), -1, n_features) @ read  # (n_samples, n_delays)
    loadings = np.einsum("f,dfv->dv", write, W.reshape(-1, n_features, W.shape[1]))
    return scores @ loadings


@dataclass(frozen=True)
class TransferScores:
    """Scores of both directions of transfer; keys are the modality that is predicted."""

    within: Mapping[str, np.ndarray]  # modality -> (n_regions,) mean r of its own model
    raw: Mapping[str, np.ndarray]  # modality -> (n_regions,) mean r of the other modality's model, no sign flipped
    across: Mapping[str, np.ndarray]  # the same with signs flipped
    p: Mapping[str, np.ndarray]  # of `across`
    q: Mapping[str, np.ndarray]  # of `across`
    sign: np.ndarray  # (n_voxels,) 1 or -1
    sign_flipped: list[str]  # regions


def score_both_directions(
    sessions: Mapping[str, ModalityData],
    predictions: Mapping[str, TransferPredictions],
    masks: Mapping[str, np.ndarray],
    visual_regions: tuple[str, ...],
    block_seconds: float,
    permutations: PermutationSettings,
) -> TransferScores:
    """Score transfer in both directions, with the sign of inverted visual regions flipped.

    Signs are chosen on training rows of the modality that is predicted, which the transferred model has not seen.

    Parameters
    ----------
    sessions : mapping of modality to ModalityData
        The two modalities.
    predictions : mapping of modality to TransferPredictions
        Predictions of the model that was fitted to each modality.
    masks : mapping of region to (n_voxels,) bool array
        Regions; the first holds all voxels.
    visual_regions : tuple of str
        Regions whose sign may be flipped.
    block_seconds : float
        Duration of a block of samples that is permuted.
    permutations : PermutationSettings
        Number of permutations and their seed.

    Returns
    -------
    TransferScores
        Scores by the modality that is predicted.
    """
    visual_masks = {name: masks[name] for name in visual_regions if name in masks}
    p_negative, n_voxels = [], next(iter(masks.values())).size
    if visual_masks:
        for target, source in transfer_directions(sessions):
            blocks = sessions[target].training_blocks(block_seconds)
            Y, across = sessions[target].Y_train, predictions[source].across_train
            p_negative.append(negative_region_p(Y, across, visual_masks, blocks, permutations))
    sign, flipped = region_signs(p_negative, visual_masks) if visual_masks else (np.ones(n_voxels, int), [])
    scores: dict[str, dict[str, np.ndarray]] = {name: {} for name in ("within", "raw", "across", "p", "q")}
    for target, source in transfer_directions(sessions):
        Y, blocks = sessions[target].Y_test, sessions[target].test_blocks(block_seconds)
        across = predictions[source].across_test
        scores["within"][target] = score_regions(Y, predictions[target].within_test, masks, blocks, permutations).r
        scores["raw"][target] = score_regions(Y, across, masks, blocks, permutations).r
        corrected = score_regions(Y, across * sign, masks, blocks, permutations)
        scores["across"][target], scores["p"][target], scores["q"][target] = corrected.r, corrected.p, corrected.q
    return TransferScores(**scores, sign=sign, sign_flipped=flipped)


def transfer_directions(sessions: Mapping[str, ModalityData]) -> list[tuple[str, str]]:
    """List both directions of transfer.

    Parameters
    ----------
    sessions : mapping of modality to ModalityData
        The two modalities.

    Returns
    -------
    list of (str, str)
        Modality that is predicted, and modality that the model was fitted to.
    """
    first, second = sessions
    return [(first, second), (second, first)]


def multimodal_voxels(
    sessions: Mapping[str, ModalityData],
    predictions: Mapping[str, TransferPredictions],
    sign: np.ndarray,
    block_seconds: float,
    permutations: PermutationSettings,
) -> np.ndarray:
    """Find the voxels that transfer in both directions with p < .05 each.

    The tests use training rows of the modality that is predicted, which the transferred model has not seen.

    Parameters
    ----------
    sessions : mapping of modality to ModalityData
        The two modalities.
    predictions : mapping of modality to TransferPredictions
        Predictions of the model that was fitted to each modality.
    sign : (n_voxels,) int array
        Sign by which transferred predictions are multiplied.
    block_seconds : float
        Duration of a block of samples that is permuted.
    permutations : PermutationSettings
        Number of permutations, of which at most 200 are used, and their seed.

    Returns
    -------
    (n_voxels,) bool array
        Voxels that transfer both ways.
    """
    permutations = replace(permutations, n_permutations=min(permutations.n_permutations, MAX_VOXEL_PERMUTATIONS))
    passed = []
    for target, source in transfer_directions(sessions):
        blocks, across = sessions[target].training_blocks(block_seconds), predictions[source].across_train * sign
        passed.append(voxel_p_values(sessions[target].Y_train, across, blocks, permutations) < 0.05)
    return passed[0] & passed[1]


def mean_weights(predictions: TransferPredictions, n_delays: int) -> np.ndarray:
    """Average the weights of a model over delays.

    Parameters
    ----------
    predictions : TransferPredictions
        Predictions of the model, with its weights.
    n_delays : int
        Number of delays.

    Returns
    -------
    (n_features, n_voxels) array
        Mean weights.
    """
    return mean_over_delays(predictions.weights, n_delays)
