"""One fit: stored or computed, the same for either order of the models, refused in a sentence."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from brivl.core.encoding import presets
from brivl.core.encoding.presets import PRESETS
from brivl.data.phantoms import base, datasets
from brivl.encoding import fit as fitting
from brivl.encoding.fit import FitRequest, FitResult, fit, fit_key, stored_fit
from brivl.encoding.recovery import compare_with_truth
from brivl.errors import Cancelled, RequestError
from brivl.store.artifacts import Store
from tests.support.cache_samples import is_stored
from tests.support.plain_sample import make_plain
from tests.support.tiny_phantom import LAYER, NAME, SILENT_REGION, shrink

MODELS = ("brivl-mini", "vit-mini")
REQUEST = FitRequest(NAME, MODELS, LAYER, "S01")


@pytest.fixture(scope="module", autouse=True)
def tiny() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def answer(store: Store) -> FitResult:
    return fit(store, REQUEST)


@pytest.fixture
def plain(tmp_path: Path) -> str:
    return str(make_plain(tmp_path / "plain"))


def test_first_a_miss_then_a_hit(store: Store, answer: FitResult) -> None:
    assert answer.cache == "miss" and is_stored(store, REQUEST)
    again, looked_up = fit(store, REQUEST), stored_fit(Store(store.root), REQUEST)
    assert again.cache == "hit" and looked_up is not None and looked_up.cache == "hit"
    for other in (again, looked_up):
        for name in ("r2_joint", "r2_split", "selected", "band_weights", "explainable_variance"):
            np.testing.assert_array_equal(getattr(other.result, name), getattr(answer.result, name))
        assert other.info == answer.info and other.result.excluded == answer.result.excluded


def test_what_an_answer_says(answer: FitResult) -> None:
    info, result = answer.info, answer.result
    assert info["simulated"] is True and info["n_voxels"] == len(result.selected) == 120
    assert info["n_voxels_selected"] == result.selected.sum() > 60
    assert sum(result.excluded.values()) == 120 - result.selected.sum()
    assert info["request"]["dataset"] == NAME and info["request"]["layer"] == LAYER


def test_split_adds_up_to_the_joint_score(answer: FitResult) -> None:
    joint, split, selected = answer.result.r2_joint, answer.result.r2_split, answer.result.selected
    np.testing.assert_allclose(split.sum(0)[selected], joint[selected], atol=1e-5)
    assert np.isnan(joint[~selected]).all() and np.isnan(split[:, ~selected]).all()
    assert joint[selected].mean() > 0.1


def test_swapping_the_models_swaps_the_scores_and_costs_nothing(store: Store, answer: FitResult) -> None:
    swapped = fit(store, dataclasses.replace(REQUEST, models=MODELS[::-1]))
    assert swapped.cache == "hit"
    np.testing.assert_array_equal(swapped.result.r2_split, answer.result.r2_split[::-1])
    np.testing.assert_array_equal(swapped.result.band_weights, answer.result.band_weights[::-1])
    np.testing.assert_array_equal(swapped.result.r2_joint, answer.result.r2_joint)


def test_the_same_model_twice_gives_equal_halves(store: Store) -> None:
    twice = fit(store, dataclasses.replace(REQUEST, models=("vit-mini", "vit-mini"))).result
    np.testing.assert_allclose(*twice.r2_split[:, twice.selected], atol=1e-4)


def test_the_truth_is_brought_into_the_order_of_the_models(store: Store, answer: FitResult) -> None:
    truth = phantoms_truth(store)
    regions = {"silent": truth.layer == 0}
    one = compare_with_truth(answer.result, truth, MODELS, regions)
    swapped = fit(store, dataclasses.replace(REQUEST, models=MODELS[::-1])).result
    other = compare_with_truth(swapped, truth, MODELS[::-1], regions)
    assert one.difference_r == pytest.approx(other.difference_r)
    np.testing.assert_allclose(one.oracle, -other.oracle)
    with pytest.raises(RequestError, match="cannot be compared"):
        compare_with_truth(answer.result, truth, ("vit-mini", "minilm-l6"), regions)


def phantoms_truth(store: Store):
    return fitting.open_dataset(NAME, store).truth("S01")


def test_wrong_events_predict_nothing(store: Store, answer: FitResult) -> None:
    """The null's features are its own, although it shows the same pictures."""
    null = fit(store, dataclasses.replace(REQUEST, dataset=f"{NAME}@shuffled"))
    assert null.cache == "miss" and null.info["simulated"] is True
    mean, null_mean = (float(np.nanmean(a.result.r2_joint)) for a in (answer, null))
    assert null_mean < 0.25 * mean


def test_silent_region_carries_no_signal(store: Store, answer: FitResult) -> None:
    dataset = fitting.open_dataset(NAME, store)
    silent = dataset.responses("S01").voxels.rois[SILENT_REGION]
    assert not dataset.truth("S01").layer[silent].any()
    assert answer.result.explainable_variance[silent].mean() < 0.1 < answer.result.explainable_variance[~silent].mean()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"layer": 13}, "layers 1 to 12 of .* for image stimuli, got layer 13"),
        ({"layer": 0}, "got layer 0"),
        ({"models": ("brivl-mini", "no-such-model")}, "got 'no-such-model'"),
        ({"models": ("brivl-mini", "minilm-l6")}, "got 'minilm-l6', which takes text stimuli"),
        ({"subject": "S99"}, "Expected a subject of the dataset, got 'S99'"),
        ({"preset": "lenient"}, r"\['paper', 'strict'\], got 'lenient'"),
        ({"pooling": "max"}, "got 'max'"),
        ({"dataset": "no-such-data"}, "Expected the name of a dataset, got 'no-such-data'"),
        ({"dataset": "phantom-movie:7/90"}, "equal runs"),
        ({"dataset": "phantom-movie:many"}, "size such as phantom-movie:720/90"),
        ({"dataset": "phantom-movie:999996/90"}, "120 to 10000 training TRs"),
        ({"dataset": f"{NAME}@sorted"}, r"null control out of \['shifted', 'shuffled'\]"),
    ],
)
def test_impossible_requests_are_refused_before_anything_is_computed(
    change: dict, sentence: str, tmp_path: Path
) -> None:
    store, request = Store(tmp_path / "store"), dataclasses.replace(REQUEST, **change)
    for read in (fit, is_stored, stored_fit):
        with pytest.raises(RequestError, match=sentence):
            read(store, request)
    assert not (tmp_path / "store").exists()


def test_features_of_a_plain_folder(plain: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    request = FitRequest(plain, ("signal", "other"), 2, "A")
    answer = fit(store, request)
    assert not answer.info["simulated"] and answer.cache == "miss"
    ours, others = np.nanmean(answer.result.r2_split, axis=1)
    assert ours > 0.2 > abs(others), "the responses are made from layer 2 of 'signal'"
    assert np.nanmean(fit(store, dataclasses.replace(request, layer=1)).result.r2_joint) < 0.1
    for change, sentence in (({"layer": 3}, "layers 1 to 2"), ({"models": ("signal", "none")}, r"got \['none'\]")):
        with pytest.raises(RequestError, match=sentence):
            fit(store, dataclasses.replace(request, **change))
    assert len(store.list("fit")) == 2


@pytest.mark.parametrize("steps", [0, 3])
def test_a_cancelled_fit_leaves_nothing(steps: int, plain: str, tmp_path: Path) -> None:
    store, request = Store(tmp_path / "store"), FitRequest(plain, ("signal", "other"), 2, "A")
    left = iter(range(steps))

    def stop(_done: float, _total: float, message: str) -> None:
        if message.startswith("Fitting layer ") and next(left, None) is None:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        fit(store, request, stop)
    assert not is_stored(store, request) and store.list("fit") == []
    assert not [path for path in store.root.rglob("*") if path.is_file() and path.parent.name == "fit"]
    assert fit(store, request).cache == "miss", "and nothing stays locked"


CHANGES = [
    {"subject": "S02"},
    {"layer": LAYER - 1},
    {"preset": "paper"},
    {"pooling": "mean"},
    {"dataset": "phantom-movie:252/40"},
    {"dataset": f"{NAME}@shifted"},
    {"models": ("vit-mini", "vit-mini")},
]


def test_the_key_changes_with_every_choice(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    requests = [REQUEST, *(dataclasses.replace(REQUEST, **change) for change in CHANGES)]
    assert len({fit_key(store, request).digest for request in requests}) == len(requests)
    same = [dataclasses.replace(REQUEST, models=MODELS[::-1]), dataclasses.replace(REQUEST, pooling="cls")]
    assert {fit_key(store, request) for request in same} == {fit_key(store, REQUEST)}


def test_the_key_changes_with_everything_behind_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, the preset's settings, what is planted, and the code of the encoding and of the simulation."""
    store = Store(tmp_path / "store")
    keys = [fit_key(store, REQUEST).digest]

    def with_patch(owner: object, name: str, value: object) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, value)
            keys.append(fit_key(store, REQUEST).digest)

    with_patch(fitting, "model_digest", lambda name, kind: f"other weights of {name}")
    with_patch(datasets, "model_digest", lambda name, kind: f"other weights of {name}")
    with_patch(presets, "PRESETS", {"strict": dataclasses.replace(PRESETS["strict"], n_inner=4)})
    with_patch(fitting, "ENCODING_VERSION", fitting.ENCODING_VERSION + 1)
    with_patch(base, "PHANTOM_VERSION", base.PHANTOM_VERSION + 1)
    tuning = dict(datasets.phantom_movie.TUNING)
    tuning["uni"] = dataclasses.replace(tuning["uni"], share=0.2)
    with_patch(datasets.phantom_movie, "TUNING", tuning)
    assert len(set(keys)) == len(keys) == 7
    reworded = dataclasses.replace(PRESETS["strict"], why={"n_inner": "in other words"})
    with_patch(presets, "PRESETS", {"strict": reworded})
    assert keys[-1] == keys[0]


def test_the_key_of_a_plain_folder_changes_with_its_files(plain: str, tmp_path: Path) -> None:
    store, request = Store(tmp_path / "store"), FitRequest(plain, ("signal", "other"), 2, "A")
    before = fit_key(store, request)
    assert fit_key(store, dataclasses.replace(request, pooling="cls")) == before, "there are no tokens to pool"
    file = Path(plain) / "features" / "other.npy"
    X = np.load(file)
    X.flat[0] += 1
    np.save(file, X)
    assert fit_key(store, request) != before


def test_a_folder_may_have_an_at_in_its_name(tmp_path: Path) -> None:
    folder = str(make_plain(tmp_path / "me@home"))
    store = Store(tmp_path / "store")
    assert fitting.open_dataset(folder, store).name == "me@home"
    assert fitting.open_dataset(f"{folder}@shifted", store).title.endswith("(null)")
