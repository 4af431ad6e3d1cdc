"""The work behind `backend.aligned`: every lambda and seed, the second stage, controls and ridge, scored on one set of
held-out rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from brivl.analyses.alignment.inputs import AlignedInputs, inputs_of
from brivl.analyses.alignment.request import AlignedAsked, layers_of, weights_of
from brivl.analyses.alignment.ridge import ridge_scores
from brivl.core.encoding.presets import PRESETS, FitProtocol
from brivl.core.encoding.response_pca import ResponsePCA, response_pca
from brivl.core.progress import ProgressCallback
from brivl.core.records import Responses, Stimulus
from brivl.core.transfer.maps import correlation
from brivl.data.dataset import Dataset
from brivl.data.regions import available_parcellations, region_masks
from brivl.data.stimuli.contact_sheet import item_images
from brivl.store.artifacts import Store

TRAINING = "Training"
SHARES = {"first": 0.35, "second": 0.65}  # of the progress bar, after the inputs


@dataclass(frozen=True)
class _Ground:
    """What every model of one question shares."""

    asked: AlignedAsked
    inputs: AlignedInputs
    pca: ResponsePCA
    Y_test: np.ndarray  # (n_test, n) standardised
    data: Any  # train.aligned.AlignedData, without tokens
    tell: Callable[[float, str], None]
    out: Path | None

    def scores(self, components: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """r and R2 (n,) of predicted components of the test rows."""
        from brivl.core.encoding.split_score import r2_joint

        predicted = self.pca.responses(components)
        return correlation(self.Y_test, predicted), r2_joint(self.Y_test, predicted)

    def folder(self, name: str) -> Path | None:
        """Of the checkpoints of one run."""
        return None if self.out is None else self.out / name


def run_aligned(
    store: Store, asked: AlignedAsked, dataset: Dataset, progress: ProgressCallback, checkpoints: Path | None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and facts of the answer."""
    stimulus, responses = dataset.stimulus(asked.subject), dataset.responses(asked.subject)
    protocol = FitProtocol(dataset.design(asked.subject), PRESETS[asked.preset])
    inputs = inputs_of(store, asked, stimulus, responses, protocol, progress)
    ground = _ground(asked, inputs, responses, protocol, progress, checkpoints)
    swept = _sweep(ground)
    chosen = _chosen(swept["held_loss"], weights_of(asked))
    scores = dict(swept["scores"])
    scores |= _second_stage(ground, stimulus, swept["stages"], chosen)
    scores |= _control(ground, chosen)
    ground.tell(0.75, "Ridge on the same features and rows")
    scores |= ridge_scores(inputs, responses, protocol, lambda share: ground.tell(0.75 + 0.24 * share, "Ridge"))
    models, r, r2 = zip(*((about, *found) for about, found in scores.values()), strict=True)
    masks = _masks(responses, inputs.columns)
    arrays = {
        "r": np.float32(r),
        "r2": np.float32(r2),
        "columns": inputs.columns,
        "weights": np.array(weights_of(asked)),
        "held_loss": swept["held_loss"],
        "curve": swept["curve"],
        "told": swept["told"],
        "regions": np.array(list(masks.values()), bool).reshape(len(masks), len(inputs.columns)),
    }
    return arrays | _planted(dataset, asked.subject, inputs.columns), {
        "models": list(models),
        "regions": list(masks),
        "chosen": chosen,
        "simulated": dataset.simulated,
        "layers": list(layers_of(asked)),
        "n_fit": len(inputs.fit),
        "n_held": len(inputs.held),
        "n_test": len(inputs.rows.test),
        "has_test_set": bool(protocol.design.n_test),
        "n_components": len(ground.pca.axes),
        "explained": float(ground.pca.explained.sum()),
        "n_distinct": int(inputs.same.max()) + 1,
        "sample_texts": inputs.texts[:3],
        "passes": swept["passes"],
    }


def _ground(
    asked: AlignedAsked,
    inputs: AlignedInputs,
    responses: Responses,
    protocol: FitProtocol,
    progress: ProgressCallback,
    out: Path | None,
) -> _Ground:
    from brivl.core.encoding.fold_responses import fit_responses, split_responses
    from brivl.train.alignment import AlignedData

    rows, columns = inputs.rows, inputs.columns

    def load(some: slice) -> np.ndarray:
        return fit_responses(np.asarray(responses.Y_train[:, columns[some]]), rows, protocol.design)

    progress(0.05, 1, "Components of the responses")
    pca = response_pca(load, len(columns), inputs.fit, asked.n_components)
    Y_test = np.empty((len(rows.test), len(columns)), np.float32)
    for start in range(0, len(columns), 4096):
        some = columns[start : start + 4096]
        repeats = np.asarray(responses.Y_test[:, :, some]) if protocol.design.n_test else None
        Y_test[:, start : start + 4096] = split_responses(
            np.asarray(responses.Y_train[:, some]), repeats, rows, *protocol
        ).Y_test
    data = AlignedData(
        inputs.features[rows.train],
        pca.scores,
        inputs.unit_texts[rows.train],
        inputs.same[rows.train],
        inputs.fit,
        inputs.held,
    )
    return _Ground(asked, inputs, pca, Y_test, data, lambda share, what: progress(share, 1, what), out)


def _settings(weight: float, seed: int, second: bool = False) -> Any:
    from brivl.train.alignment import FIRST_STAGE, SECOND_STAGE

    return replace(SECOND_STAGE if second else FIRST_STAGE, weight=weight, seed=seed)


def _sweep(ground: _Ground) -> dict[str, Any]:
    """The first stage at every lambda, with every seed; scores are those of the first seed."""
    from brivl.train.alignment import embed_in_text_space, predict_components, train_first_stage

    weights, n_seeds = weights_of(ground.asked), ground.asked.n_seeds
    shape = (len(weights), n_seeds)
    held, curve, told = np.empty(shape), np.empty((*shape, 2)), np.empty(shape)
    passes: list[int] = []
    stages, scores = {}, {}
    test = ground.inputs.features[ground.inputs.rows.test]
    for i, weight in enumerate(weights):
        for seed in range(n_seeds):
            ground.tell(
                0.1 + SHARES["first"] * (i * n_seeds + seed) / (len(weights) * n_seeds), f"{TRAINING}, λ {weight:g}"
            )
            stage = train_first_stage(
                ground.data, _settings(weight, seed), ground.folder(f"lambda-{weight:g}-seed-{seed}")
            )
            r, r2 = ground.scores(predict_components(stage.model, test))
            held[i, seed], curve[i, seed] = stage.held_out_loss, (np.median(r), np.median(r2))
            told[i, seed] = _told_apart(ground, embed_in_text_space(stage.model, test))
            passes.append(stage.best_epoch + 1)
            if seed == 0:
                stages[weight] = stage
                scores[f"stage 1 {weight:g}"] = (_about(f"λ = {weight:g}", weight, 1), (r, r2))
    return {"held_loss": held, "curve": curve, "told": told, "passes": passes, "stages": stages, "scores": scores}


def _told_apart(ground: _Ground, images: np.ndarray) -> float:
    """Share of pairs of test pictures in which a picture lies nearer to its own description than to the other's."""
    likeness = images @ ground.inputs.unit_texts[ground.inputs.rows.test].T
    own = np.diag(likeness)[:, None]
    others = ~np.eye(len(likeness), dtype=bool)
    return float(((own > likeness) + 0.5 * (own == likeness))[others].mean())


def _about(name: str, weight: float | None, stage: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "weight": weight, "stage": stage, "reads_text": False, "control": False, **more}


def _chosen(held_loss: np.ndarray, weights: tuple[float, ...]) -> float:
    """The lambda above 0 of the smallest mean loss on the rows that say when to stop; the smaller of equal ones."""
    means = held_loss.mean(1)
    return weights[1 + int(np.argmin(means[1:]))]


def _second_stage(ground: _Ground, stimulus: Stimulus, stages: dict[float, Any], chosen: float) -> dict[str, Any]:
    """Train the backbone's last blocks too, from where the first stage ended, at λ = 0 and the chosen one."""
    if not ground.asked.n_blocks:
        return {}
    from brivl.models.alignment.backbone_blocks import split_backbone
    from brivl.train.alignment import predict_components, train_second_stage

    inputs, rows, at = ground.inputs, ground.inputs.rows, SHARES["first"] + 0.1
    ground.tell(at, "Tokens of the backbone")
    pictures, places = np.unique(inputs.items, return_inverse=True)
    split = split_backbone(
        ground.asked.backbone,
        lambda some: item_images(stimulus, pictures[some]),
        len(pictures),
        layers_of(ground.asked),
        ground.asked.n_blocks,
    )
    _standardise(split.upper, inputs, ground.asked)
    data = replace(ground.data, tokens=split.tokens[places[rows.train]])
    test = inputs.features[rows.test], split.tokens[places[rows.test]]
    found = {}
    for step, weight in enumerate((0.0, chosen)):

        def tell(share: float, step: int = step, weight: float = weight) -> None:
            ground.tell(at + (SHARES["second"] - at) * (step + share) / 2, f"{TRAINING} blocks, λ {weight:g}")

        out = ground.folder(f"blocks-lambda-{weight:g}")
        stage = train_second_stage(stages[weight], split.upper, data, _settings(weight, 0, second=True), out, tell)
        about = _about(
            f"λ = {weight:g}, blocks trained", weight, 2, best=stage.best_epoch + 1, held=stage.held_out_loss
        )
        found[f"stage 2 {weight:g}"] = (about, ground.scores(predict_components(stage.model, *test)))
    return found


def _standardise(upper: Any, inputs: AlignedInputs, asked: AlignedAsked) -> None:
    """Features from the blocks are brought to the scale that the mapping of the first stage was trained on."""
    n = sum(X.shape[1] for X in inputs.X[-len(upper.read_at) :])
    mean, scale = inputs.scaling
    upper.standardise(mean[-n:].astype(np.float32), scale[-n:].astype(np.float32))


def _control(ground: _Ground, chosen: float) -> dict[str, Any]:
    """Descriptions dealt to other pictures, at the chosen lambda: what alignment does without its meaning."""
    from brivl.train.alignment import predict_components, train_first_stage

    ground.tell(0.68, f"{TRAINING} on shuffled descriptions")
    order = np.random.default_rng(1).permutation(len(ground.data.texts))
    shuffled = replace(ground.data, texts=ground.data.texts[order], description_ids=ground.data.description_ids[order])
    stage = train_first_stage(shuffled, _settings(chosen, 0), ground.folder("shuffled"))
    test = ground.inputs.features[ground.inputs.rows.test]
    about = _about(f"λ = {chosen:g}, descriptions shuffled", chosen, 1, control=True)
    return {"shuffled": (about, ground.scores(predict_components(stage.model, test)))}


def _masks(responses: Responses, columns: np.ndarray) -> dict[str, np.ndarray]:
    """Regions of the first level with a voxel that was fitted -> (n,) bool."""
    levels = available_parcellations(responses.voxels)
    found = region_masks(responses.voxels, levels[0]) if levels else {}
    return {name: inside[columns] for name, inside in found.items() if inside[columns].any()}


def _planted(dataset: Dataset, subject: str, columns: np.ndarray) -> dict[str, np.ndarray]:
    """Which voxels prefer a category, where that is planted."""
    preferred = getattr(dataset, "preferred_categories", None)
    return {} if preferred is None else {"selective": preferred(subject)[columns] != ""}
