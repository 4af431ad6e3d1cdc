"""Train a text-aligned encoder (LLM-VEM, Ma et al. 2024) over a range of lambda, with controls and ridge on one split.

Every model is scored on the same test rows: the first stage at every lambda, the second stage at 0 and at the chosen
lambda, the chosen lambda with shuffled descriptions, and ridge on the same features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brivl.analyses.alignment.inputs import AlignmentInputs, load_inputs
from brivl.analyses.alignment.request import AlignmentRequest, layers_of, weights_of
from brivl.analyses.alignment.ridge import TEXT_RIDGE, Scores, ridge_scores
from brivl.analysis import Context, Stored
from brivl.core.encoding.presets import PRESETS, FitProtocol
from brivl.core.encoding.response_pca import ResponsePCA, response_pca
from brivl.core.records import Responses, Stimulus
from brivl.data.dataset import Dataset
from brivl.data.regions import available_parcellations, region_masks
from brivl.data.stimuli.contact_sheet import item_images
from brivl.store.artifacts import Artifact
from brivl.store.digests import JSON

if TYPE_CHECKING:
    from brivl.models.alignment.backbone_blocks import UpperBlocks
    from brivl.train.alignment import AlignedData, AlignedSettings, TrainedStage

TRAINING = "Training"
FIRST_STAGE_END, SECOND_STAGE_END = 0.35, 0.65  # shares of the progress bar, after the inputs
N_SAMPLE_TEXTS = 3
TEST_BATCH = 4096  # voxels


@dataclass(frozen=True)
class ScoredModel:
    """One model whose predictions of the test rows are scored.

    Attributes
    ----------
    weight : float or None
        Weight λ of the alignment loss; None for ridge.
    stage : int
        Stage of training, 1 or 2; 0 for ridge.
    reads_text : bool
        Whether it reads the descriptions of the test images.
    control : bool
        Whether it was trained with shuffled descriptions.
    """

    name: str
    weight: float | None
    stage: int
    reads_text: bool = False
    control: bool = False


@dataclass(frozen=True)
class AlignmentResult:
    """Scores of all models on the test rows, and the course of training.

    Attributes
    ----------
    models : tuple of ScoredModel
        What each row of `r` and `r2` is of.
    voxel_indices : (n,) array
        Voxels that were fitted.
    r, r2 : (n_models, n) arrays
        Correlation and R2.
    weights : (n_weights,) array
        Weights λ of the alignment loss.
    stopping_loss : (n_weights, n_seeds) array
        Regression loss of the rows that say when to stop.
    curve : (n_weights, n_seeds, 2) array
        Median r and R2 over the voxels.
    pair_accuracy : (n_weights, n_seeds) array
        Share of pairs of test images in which an image lies nearer to its own description; chance is 0.5.
    regions : mapping
        Name -> positions among `voxel_indices`.
    selective : (n,) array of bool or None
        Voxels with a simulated preference for a category; None where this is not known.
    chosen_weight : float
        The λ above 0 with the smallest stopping loss.
    layers : tuple of int
        Layers of the backbone that were read.
    n_fit, n_stopping, n_test : int
        Rows that were fitted, that said when to stop, and that were scored.
    has_test_set : bool
        Whether the data have a test set; else the first outer fold was scored.
    n_components : int
        Principal components of the responses.
    explained : float
        Share of the variance of the responses that they hold.
    n_distinct : int
        Distinct descriptions.
    sample_texts : tuple of str
        The first descriptions.
    simulated : bool
        Whether the data are simulated.
    """

    request: AlignmentRequest
    models: tuple[ScoredModel, ...]
    voxel_indices: np.ndarray
    r: np.ndarray
    r2: np.ndarray
    weights: np.ndarray
    stopping_loss: np.ndarray
    curve: np.ndarray
    pair_accuracy: np.ndarray
    regions: Mapping[str, np.ndarray]
    selective: np.ndarray | None
    chosen_weight: float
    layers: tuple[int, ...]
    n_fit: int
    n_stopping: int
    n_test: int
    has_test_set: bool
    n_components: int
    explained: float
    n_distinct: int
    sample_texts: tuple[str, ...]
    simulated: bool


_Row = tuple[dict[str, JSON], Scores]  # what a model is, as stored, and its scores


@dataclass(frozen=True)
class _Run:
    """What all models of one request share; `data` are without tokens."""

    request: AlignmentRequest
    inputs: AlignmentInputs
    pca: ResponsePCA
    Y_test: np.ndarray  # (n_test, n) standardised
    data: AlignedData
    report: Callable[[float, str], None]
    checkpoints: Path | None

    def scores(self, components: np.ndarray) -> Scores:
        """Score predicted components of the test rows."""
        from brivl.core.encoding.split_score import r2_joint
        from brivl.core.transfer.maps import correlation

        predicted = self.pca.responses(components)
        return correlation(self.Y_test, predicted), r2_joint(self.Y_test, predicted)

    def folder(self, name: str) -> Path | None:
        """Give the folder for the checkpoints of one training."""
        return None if self.checkpoints is None else self.checkpoints / name


@dataclass(frozen=True)
class _Sweep:
    """The first stage at every λ with every seed; `stages` and `rows` are those of the first seed."""

    stopping_loss: np.ndarray
    curve: np.ndarray
    pair_accuracy: np.ndarray
    n_epochs: list[int]
    stages: dict[float, TrainedStage]
    rows: list[_Row]


def compute(context: Context, request: AlignmentRequest) -> Stored:
    """Train and score all models of a request.

    Parameters
    ----------
    context : Context
        Store, dataset, progress callback, and the folder for checkpoints.
    request : AlignmentRequest
        The request.

    Returns
    -------
    tuple
        Arrays and info of the stored result.

    Raises
    ------
    RequestError
        Where there are too few samples.
    """
    dataset, progress = context.data, context.progress
    stimulus, responses = dataset.stimulus(request.subject), dataset.responses(request.subject)
    protocol = FitProtocol(dataset.design(request.subject), PRESETS[request.preset])
    inputs = load_inputs(context.store, request, stimulus, responses, protocol, progress)
    run = _prepare(context, request, inputs, responses, protocol)
    sweep = _sweep(run)
    chosen = _chosen_weight(sweep.stopping_loss, weights_of(request))
    rows = [*sweep.rows, *_second_stage(run, stimulus, sweep.stages, chosen), _shuffled_control(run, chosen)]
    run.report(0.75, "Ridge on the same features and rows")
    ridge = ridge_scores(inputs, responses, protocol, lambda share: run.report(0.75 + 0.24 * share, "Ridge"))
    rows += [(_info(name, None, 0, reads_text=name == TEXT_RIDGE), scores) for name, scores in ridge.items()]
    masks = _region_masks(responses, inputs.voxel_indices)
    arrays: dict[str, np.ndarray] = {
        "r": np.array([r for _, (r, _) in rows], np.float32),
        "r2": np.array([r2 for _, (_, r2) in rows], np.float32),
        "columns": inputs.voxel_indices,
        "weights": np.array(weights_of(request)),
        "held_loss": sweep.stopping_loss,
        "curve": sweep.curve,
        "told": sweep.pair_accuracy,
        "regions": np.array(list(masks.values()), bool).reshape(len(masks), len(inputs.voxel_indices)),
    }
    return arrays | _selective(dataset, request.subject, inputs.voxel_indices), {
        "models": [info for info, _ in rows],
        "regions": list(masks),
        "chosen": chosen,
        "simulated": dataset.simulated,
        "layers": list(layers_of(request)),
        "n_fit": len(inputs.fit_rows),
        "n_held": len(inputs.stopping_rows),
        "n_test": len(inputs.split.test),
        "has_test_set": bool(protocol.design.n_test),
        "n_components": len(run.pca.axes),
        "explained": float(run.pca.explained.sum()),
        "n_distinct": int(inputs.description_ids.max()) + 1,
        "sample_texts": inputs.texts[:N_SAMPLE_TEXTS],
        "passes": sweep.n_epochs,
    }


def read(artifacts: Sequence[Artifact], request: AlignmentRequest) -> AlignmentResult:
    """Read a stored result.

    Parameters
    ----------
    artifacts : sequence of Artifact
        The one stored part.
    request : AlignmentRequest
        The request.

    Returns
    -------
    AlignmentResult
        The result.
    """
    (artifact,) = artifacts
    arrays, info = artifact.arrays, artifact.info
    names = ("name", "weight", "stage", "reads_text", "control")
    return AlignmentResult(
        request=request,
        models=tuple(ScoredModel(**{name: model[name] for name in names}) for model in info["models"]),
        voxel_indices=arrays["columns"],
        r=arrays["r"],
        r2=arrays["r2"],
        weights=arrays["weights"],
        stopping_loss=arrays["held_loss"],
        curve=arrays["curve"],
        pair_accuracy=arrays["told"],
        regions={name: np.flatnonzero(arrays["regions"][row]) for row, name in enumerate(info["regions"])},
        selective=arrays.get("selective"),
        chosen_weight=float(info["chosen"]),
        layers=tuple(info["layers"]),
        n_fit=int(info["n_fit"]),
        n_stopping=int(info["n_held"]),
        n_test=int(info["n_test"]),
        has_test_set=bool(info["has_test_set"]),
        n_components=int(info["n_components"]),
        explained=float(info["explained"]),
        n_distinct=int(info["n_distinct"]),
        sample_texts=tuple(info["sample_texts"]),
        simulated=bool(info["simulated"]),
    )


def _prepare(
    context: Context,
    request: AlignmentRequest,
    inputs: AlignmentInputs,
    responses: Responses,
    protocol: FitProtocol,
) -> _Run:
    from brivl.core.encoding.fold_responses import fit_voxels, split_voxels
    from brivl.train.alignment import AlignedData

    split, voxels, progress = inputs.split, inputs.voxel_indices, context.progress

    def load(batch: slice) -> np.ndarray:
        return fit_voxels(responses, voxels[batch], split, protocol)

    progress(0.05, 1, "Components of the responses")
    pca = response_pca(load, len(voxels), inputs.fit_rows, request.n_components)
    Y_test = np.empty((len(split.test), len(voxels)), np.float32)
    for start in range(0, len(voxels), TEST_BATCH):
        batch = voxels[start : start + TEST_BATCH]
        Y_test[:, start : start + TEST_BATCH] = split_voxels(responses, batch, split, protocol).Y_test
    data = AlignedData(
        inputs.features[split.train],
        pca.scores,
        inputs.unit_texts[split.train],
        inputs.description_ids[split.train],
        inputs.fit_rows,
        inputs.stopping_rows,
    )

    def report(share: float, message: str) -> None:
        progress(share, 1, message)

    return _Run(request, inputs, pca, Y_test, data, report, context.checkpoints)


def _settings(weight: float, seed: int, second: bool = False) -> AlignedSettings:
    from brivl.train.alignment import FIRST_STAGE, SECOND_STAGE

    return replace(SECOND_STAGE if second else FIRST_STAGE, weight=weight, seed=seed)


def _info(
    name: str, weight: float | None, stage: int, reads_text: bool = False, control: bool = False, **more: JSON
) -> dict[str, JSON]:
    return asdict(ScoredModel(name, weight, stage, reads_text, control)) | more


def _sweep(run: _Run) -> _Sweep:
    from brivl.train.alignment import embed_in_text_space, predict_components, train_first_stage

    weights, n_seeds = weights_of(run.request), run.request.n_seeds
    shape = (len(weights), n_seeds)
    sweep = _Sweep(np.empty(shape), np.empty((*shape, 2)), np.empty(shape), [], {}, [])
    test = run.inputs.features[run.inputs.split.test]
    for i, weight in enumerate(weights):
        for seed in range(n_seeds):
            done = (i * n_seeds + seed) / (len(weights) * n_seeds)
            run.report(0.1 + FIRST_STAGE_END * done, f"{TRAINING}, λ {weight:g}")
            stage = train_first_stage(run.data, _settings(weight, seed), run.folder(f"lambda-{weight:g}-seed-{seed}"))
            r, r2 = run.scores(predict_components(stage.model, test))
            sweep.stopping_loss[i, seed] = stage.held_out_loss
            sweep.curve[i, seed] = np.median(r), np.median(r2)
            sweep.pair_accuracy[i, seed] = _pair_accuracy(run, embed_in_text_space(stage.model, test))
            sweep.n_epochs.append(stage.best_epoch + 1)
            if seed == 0:
                sweep.stages[weight] = stage
                sweep.rows.append((_info(f"λ = {weight:g}", weight, 1), (r, r2)))
    return sweep


def _pair_accuracy(run: _Run, images: np.ndarray) -> float:
    """Share of pairs of test images in which an image lies nearer to its own description than to the other's."""
    similarity = images @ run.inputs.unit_texts[run.inputs.split.test].T
    own = np.diag(similarity)[:, None]
    others = ~np.eye(len(similarity), dtype=bool)
    return float(((own > similarity) + 0.5 * (own == similarity))[others].mean())


def _chosen_weight(stopping_loss: np.ndarray, weights: tuple[float, ...]) -> float:
    """The λ above 0 of the smallest mean loss on the rows that say when to stop; the smaller of equal ones."""
    means = stopping_loss.mean(1)
    return weights[1 + int(np.argmin(means[1:]))]


def _second_stage(run: _Run, stimulus: Stimulus, stages: Mapping[float, TrainedStage], chosen: float) -> list[_Row]:
    """Train the last blocks of the backbone too, from where the first stage ended, at λ = 0 and the chosen one."""
    if not run.request.n_blocks:
        return []
    from brivl.models.alignment.backbone_blocks import split_backbone
    from brivl.train.alignment import predict_components, train_second_stage

    inputs, split, start = run.inputs, run.inputs.split, FIRST_STAGE_END + 0.1
    run.report(start, "Tokens of the backbone")
    images, positions = np.unique(inputs.items, return_inverse=True)
    backbone = split_backbone(
        run.request.backbone,
        lambda batch: item_images(stimulus, images[batch]),
        len(images),
        layers_of(run.request),
        run.request.n_blocks,
    )
    _standardise(backbone.upper, inputs)
    data = replace(run.data, tokens=backbone.tokens[positions[split.train]])
    test = inputs.features[split.test], backbone.tokens[positions[split.test]]
    rows = []
    for i, weight in enumerate((0.0, chosen)):

        def on_epoch(share: float, i: int = i, weight: float = weight) -> None:
            run.report(start + (SECOND_STAGE_END - start) * (i + share) / 2, f"{TRAINING} blocks, λ {weight:g}")

        folder = run.folder(f"blocks-lambda-{weight:g}")
        settings = _settings(weight, 0, second=True)
        stage = train_second_stage(stages[weight], backbone.upper, data, settings, folder, on_epoch)
        name = f"λ = {weight:g}, blocks trained"
        info = _info(name, weight, 2, best=stage.best_epoch + 1, held=stage.held_out_loss)
        rows.append((info, run.scores(predict_components(stage.model, *test))))
    return rows


def _standardise(upper: UpperBlocks, inputs: AlignmentInputs) -> None:
    """Bring features from the blocks to the scale that the mapping of the first stage was trained on."""
    n = sum(X.shape[1] for X in inputs.X[-len(upper.read_at) :])
    mean, scale = inputs.scaling
    upper.standardise(mean[-n:].astype(np.float32), scale[-n:].astype(np.float32))


def _shuffled_control(run: _Run, chosen: float) -> _Row:
    """Train at the chosen λ with descriptions of other images: what alignment does without their meaning."""
    from brivl.train.alignment import predict_components, train_first_stage

    run.report(0.68, f"{TRAINING} on shuffled descriptions")
    order = np.random.default_rng(1).permutation(len(run.data.texts))
    shuffled = replace(run.data, texts=run.data.texts[order], description_ids=run.data.description_ids[order])
    stage = train_first_stage(shuffled, _settings(chosen, 0), run.folder("shuffled"))
    test = run.inputs.features[run.inputs.split.test]
    info = _info(f"λ = {chosen:g}, descriptions shuffled", chosen, 1, control=True)
    return info, run.scores(predict_components(stage.model, test))


def _region_masks(responses: Responses, voxel_indices: np.ndarray) -> dict[str, np.ndarray]:
    """Regions of the first parcellation with a voxel that was fitted -> (n,) bool."""
    levels = available_parcellations(responses.voxels)
    masks = region_masks(responses.voxels, levels[0]) if levels else {}
    return {name: mask[voxel_indices] for name, mask in masks.items() if mask[voxel_indices].any()}


def _selective(dataset: Dataset, subject: str, voxel_indices: np.ndarray) -> dict[str, np.ndarray]:
    """Which voxels prefer a category, where the dataset simulates this."""
    preferred = getattr(dataset, "preferred_categories", None)
    return {} if preferred is None else {"selective": preferred(subject)[voxel_indices] != ""}
