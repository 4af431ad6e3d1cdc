"""Fits recover the signals planted in the simulated form of Pereira et al. (2018), in the regions that have them."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.data.fixtures import write_fixture
from brivl.data.pereira2018.fixture import LENGTH, TOPIC, TOPIC_KINDS, PereiraSize, planted_property
from brivl.data.pereira2018.passages import load_passages
from brivl.data.registry import open_dataset
from brivl.encoding.fit import FitRequest, FitResult, fit
from brivl.store.artifacts import Store

EARLY, LATE = 1, 6


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[FitResult, np.ndarray]]:
    """Fits of one subject at an early and a late layer, with the property that each voxel follows."""
    folder = tmp_path_factory.mktemp("planted")
    write_fixture(folder / "reading", PereiraSize(n_subjects=1, n_voxels=240, n_sentences=256))
    store, name = Store(folder / "cache"), f"{folder / 'reading'}:2"
    planted = planted_property(open_dataset(name, store).responses("P01").voxels.aal)
    return {k: (fit(store, FitRequest(name, ("brivl-mini", "minilm-l6"), k, "P01")), planted) for k in (EARLY, LATE)}


@pytest.mark.parametrize(("layer", "code"), [(EARLY, LENGTH), (EARLY, TOPIC), (LATE, TOPIC)])
def test_planted_signals_are_recovered(fits: dict[int, tuple[FitResult, np.ndarray]], layer: int, code: int) -> None:
    """Voxels with a planted signal are predicted on passages that were held out; voxels without are not."""
    answer, planted = fits[layer]
    assert answer.info["simulated"] and answer.result.selected.all()
    with_it, without = (answer.result.r2_joint[planted == value] for value in (code, 0))
    error = np.hypot(*(scores.std(ddof=1) / np.sqrt(len(scores)) for scores in (with_it, without)))
    assert without.mean() < 0 < with_it.mean()
    assert with_it.mean() - without.mean() > 4 * error


def test_early_layers_predict_length_and_late_layers_the_topic(fits: dict[int, tuple[FitResult, np.ndarray]]) -> None:
    early, late = (
        {code: fits[layer][0].result.r2_joint[fits[layer][1] == code].mean() for code in (LENGTH, TOPIC)}
        for layer in (EARLY, LATE)
    )
    assert early[LENGTH] > 2 * late[LENGTH] and late[TOPIC] > 2 * early[TOPIC]


def test_every_topic_is_of_one_kind() -> None:
    assert sorted(name for kind in TOPIC_KINDS for name in kind) == sorted(load_passages().topic_names)
