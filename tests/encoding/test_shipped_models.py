"""The weights in the repository meet the project's bars, and the phantom made with them gives its truth back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from brivl.config import WEIGHTS, cache_dir
from brivl.core.encoding.encode import encode
from brivl.core.encoding.presets import STRICT
from brivl.data.features import layer_features
from brivl.data.phantoms import movie
from brivl.data.phantoms.datasets import PhantomMovie
from brivl.encoding.recovery import best_layer, compare_with_truth, layer_recovery
from brivl.store.artifacts import Store
from brivl.train.brivl.brivl_mini import evaluate_retrieval

PER_REGION = 16
LAYERS = (5, 6, 8, 10, 12)  # those that are planted


def test_all_weights_together_stay_small():
    assert sum(file.stat().st_size for file in WEIGHTS.glob("*.safetensors")) <= 45e6


def test_retrieval_among_held_out_scenes():
    text_to_image, image_to_text = evaluate_retrieval(300)
    assert text_to_image.r1 >= 0.5 and text_to_image.r10 >= 0.9
    assert image_to_text.r1 >= 0.5


@pytest.fixture(scope="module")
def few_voxels(tmp_path_factory):
    """The default phantom with its real features, and a few voxels of every region."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRIVL_CACHE", str(tmp_path_factory.mktemp("cache")))
        dataset = PhantomMovie(Store(cache_dir()))
        layout = dataset._layout
        rng = np.random.default_rng(3)
        kept = [
            rng.permutation(np.flatnonzero(layout.region == name))[:PER_REGION] for name in np.unique(layout.region)
        ]
        keep = np.sort(np.concatenate(kept))
        v = layout.voxels
        voxels = replace(v, ijk=v.ijk[keep], rois={name: inside[keep] for name, inside in v.rois.items()})
        few = movie.BrainLayout(voxels, layout.region[keep], layout.gain[keep])

        def features(model: str, layer: int) -> np.ndarray:
            return layer_features(dataset.store, dataset.stimulus("S01"), model, layer)

        yield dataset, few, features, movie.simulate(dataset.config, "S01", few, features)


def test_planted_truth_is_recovered(few_voxels):
    dataset, few, features, subject = few_voxels
    plan = dataset.design("S01")
    results = [encode([features(m, k) for m in movie.MODELS], subject.responses, plan, STRICT) for k in LAYERS]
    joint, split = np.stack([r.r2_joint for r in results]), np.stack([r.r2_split for r in results])
    at = np.array([LAYERS.index(k) if k else 0 for k in subject.truth.layer])
    every = np.arange(len(at))
    chosen = replace(results[0], r2_joint=joint[at, every], r2_split=split[at, :, every].T)
    regions = {name: few.region == name for name in np.unique(few.region)}
    recovery = compare_with_truth(chosen, subject.truth, movie.MODELS, regions)
    assert recovery.difference_r >= 0.7
    assert recovery.region_rho >= 0.8
    assert recovery.ceiling_fraction >= 0.6
    best = np.r_[0, LAYERS][best_layer(joint)]
    assert layer_recovery(best, subject.truth.layer) >= 0.7


def test_nothing_is_found_where_nothing_is(few_voxels):
    dataset, _, features, subject = few_voxels
    silent = np.flatnonzero(subject.truth.layer == 0)
    responses = subject.responses
    few = replace(
        responses,
        Y_train=responses.Y_train[:, silent],
        Y_test=responses.Y_test[:, :, silent],
        voxels=replace(responses.voxels, ijk=responses.voxels.ijk[silent], rois={}),
    )
    Xs = [features(m, 8) for m in movie.MODELS]
    result = encode(Xs, few, dataset.design("S01"), replace(STRICT, ev_threshold=-np.inf))
    assert result.r2_joint.mean() <= 0
