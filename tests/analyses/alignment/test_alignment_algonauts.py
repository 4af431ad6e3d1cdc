"""Text-aligned encoding of a folder in the form of Algonauts 2023."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brivl.analyses.alignment.analysis import ALIGNMENT
from brivl.analyses.alignment.request import AlignmentRequest
from brivl.analyses.alignment.tables import summary
from brivl.analysis import run
from brivl.store.artifacts import Store
from brivl.train import alignment as training


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SECOND_STAGE", replace(training.SECOND_STAGE, n_epochs=2))


def test_the_form_of_algonauts_is_trained_without_a_test_set(tmp_path: Path) -> None:
    """A fifth of the images is held out; descriptions go by the names of files; vertices come with regions."""
    from brivl.data.fixtures import fixture_size, write_fixture

    write_fixture(tmp_path / "challenge", fixture_size("algonauts2023", 1, 100, 60))
    images = sorted((tmp_path / "challenge" / "subj01" / "training_split" / "training_images").iterdir())
    table = "".join(f"{path.name}\tscene {i % 7}\n" for i, path in enumerate(images))
    (tmp_path / "descriptions.tsv").write_text(table)
    small = AlignmentRequest(
        str(tmp_path / "challenge"),
        "subj01",
        descriptions=str(tmp_path / "descriptions.tsv"),
        n_seeds=1,
        n_components=6,
        weights=(0.1,),
        layers=(4, 12),
        n_blocks=1,
    )
    result = run(ALIGNMENT, Store(tmp_path / "cache"), small)
    assert (result.n_fit, result.n_stopping, result.n_test) == (43, 5, 12)
    assert not result.has_test_set and result.n_distinct == 7 and result.selective is None
    assert result.r.shape[1] == 100 and "early stream" in result.regions and np.isfinite(result.r2).all()
    assert summary(result)["measured_on"] == "all fitted voxels"
