"""The default cleaning of fMRIPrep data against an expert who knows the artefact, on small simulated studies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from nilearn.signal import clean
from numpy.testing import assert_allclose

from brivl.data.bids.simulated_study import ARTEFACTS, Artefact, StudySize, simulate_bold
from brivl.encoding.cleaning_report import BAR, evaluate_cleaning, expert_cleaning
from brivl.store.artifacts import Store

SMALL = StudySize(n_runs=3, n_volumes=130, n_voxels=12, signal=1.0)


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_the_expert_removes_what_signal_clean_removes(artefact: Artefact) -> None:
    size = StudySize(n_runs=2, n_volumes=100, n_voxels=5)
    bold = simulate_bold(np.zeros((200, 5)), artefact, size)
    Y, cleaning = expert_cleaning(bold.Y, (artefact, bold), size)
    rows = np.arange(bold.n_non_steady, 100)
    expected = clean(
        bold.Y[100:],
        confounds=bold.motion[100:] if artefact == "confounds" else None,
        sample_mask=rows if len(rows) < 100 else None,
        filter="cosine" if artefact == "drift" else False,
        high_pass=1 / 128 if artefact == "drift" else None,
        detrend=True,
        standardize=None,
        t_r=2.0,
    )
    assert_allclose(Y[100 + rows], expected, atol=1e-8)
    assert np.flatnonzero(~cleaning.kept).tolist() == [*range(bold.n_non_steady), *(100 + np.arange(bold.n_non_steady))]


def test_the_default_reaches_the_expert(tmp_path: Path) -> None:
    report = evaluate_cleaning(Store(tmp_path), SMALL)
    studies = report["studies"]
    assert isinstance(studies, dict) and list(studies) == list(ARTEFACTS)
    for artefact, scores in studies.items():
        assert scores["r2_default"] > scores["r2_not_cleaned"] + 0.02, artefact
        assert scores["share_of_expert"] >= BAR, (artefact, scores)
        assert ("they explain R²" in scores["default"]) == (artefact == "confounds")
    assert "9 volumes before the steady state" in studies["non-steady volumes"]["default"]
