"""What is planted in the simulated form of Pereira et al. (2018) is found by fits, where it should be."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.data.fixtures import write_fixture
from brivl.data.pereira2018.fixture import KINDS, LENGTH, TOPIC, PereiraSize, planted_property
from brivl.data.pereira2018.passages import load_passages
from brivl.data.registry import open_dataset
from brivl.encoding.fit import FitRequest, FitResult, fit
from brivl.store.artifacts import Store

EARLY, LATE = 1, 6


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[FitResult, np.ndarray]]:
    """Fits of one subject at an early and a late layer, with what is planted in each voxel."""
    folder = tmp_path_factory.mktemp("planted")
    write_fixture(folder / "reading", PereiraSize(n_subjects=1, n_voxels=240, n_sentences=256))
    store, name = Store(folder / "cache"), f"{folder / 'reading'}:2"
    planted = planted_property(open_dataset(name, store).responses("P01").voxels.aal)
    return {k: (fit(store, FitRequest(name, ("brivl-mini", "minilm-l6"), k, "P01")), planted) for k in (EARLY, LATE)}


@pytest.mark.parametrize(("layer", "what"), [(EARLY, LENGTH), (EARLY, TOPIC), (LATE, TOPIC)])
def test_planted_topics_are_found(found: dict[int, tuple[FitResult, np.ndarray]], layer: int, what: int) -> None:
    """Voxels with a planted signal are predicted on passages that were held out, those without are not."""
    answer, planted = found[layer]
    assert answer.info["simulated"] and answer.result.selected.all()
    with_it, without = (answer.result.r2_joint[planted == wanted] for wanted in (what, 0))
    error = np.hypot(*(scores.std(ddof=1) / np.sqrt(len(scores)) for scores in (with_it, without)))
    assert without.mean() < 0 < with_it.mean()
    assert with_it.mean() - without.mean() > 4 * error


def test_length_is_found_early_and_the_topic_late(found: dict[int, tuple[FitResult, np.ndarray]]) -> None:
    early, late = (
        {what: found[layer][0].result.r2_joint[found[layer][1] == what].mean() for what in (LENGTH, TOPIC)}
        for layer in (EARLY, LATE)
    )
    assert early[LENGTH] > 2 * late[LENGTH] and late[TOPIC] > 2 * early[TOPIC]


def test_every_topic_is_of_one_kind() -> None:
    assert sorted(name for kind in KINDS for name in kind) == sorted(load_passages().topic_names)
