"""The verb `regions`: the numbers of the page, in order, and a sentence for impossible requests."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from brivl.commands.main import main
from tests.support.app_samples import MOVIE, ROIS
from tests.support.sharing_samples import PAIRS, stored

WORDS = ["regions", "--dataset", MOVIE, "--models", ",".join(PAIRS[MOVIE]), "--layer", "8"]


def test_table_holds_the_means_of_the_stored_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored()
    assert main([*WORDS, "--subject", "S01,S02", "--order", "effect", "--out", str(tmp_path / "t.csv"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    rows = printed["regions"]
    assert printed["simulated"] and {row["region"] for row in rows} == set(ROIS)
    assert [row["difference"] for row in rows] == sorted((row["difference"] for row in rows), reverse=True)
    assert all(row["prevalence_n"] == 2 and row["prevalence_by"] == "sign of the difference" for row in rows)
    with (tmp_path / "t.csv").open() as file:
        written = list(csv.DictReader(file))
    assert [row["region"] for row in written] == [row["region"] for row in rows]
    np.testing.assert_allclose([float(row["mean_a"]) for row in written], [row["mean_a"] for row in rows], atol=1e-5)


def test_words_name_what_is_simulated(capsys: pytest.CaptureFixture[str]) -> None:
    stored(subjects=("S01",))
    assert main([*WORDS, "--subject", "S01", "--scale", "ceiling", "--unit", "voxel"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("SIMULATED DATA.") and "noise ceiling" in text and "FFA" in text


def test_small_probabilities_are_not_printed_as_0(capsys: pytest.CaptureFixture[str]) -> None:
    stored()
    words = [*WORDS, "--subject", "S01,S02", "--unit", "voxel"]
    main(words)
    said = capsys.readouterr().out
    assert said.count("< .001") >= 2 * len(ROIS) and "0.0000" not in said
    main([*words, "--json"])
    rows = json.loads(capsys.readouterr().out)["regions"]
    assert len(rows) == len(ROIS) and all(0 < row["p"] < 1e-6 and 0 < row["q"] < 1e-6 for row in rows)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--level", "hcp"], "atlases of MNI space"),
        (["--level", "lobes"], "Expected a parcellation"),
        (["--order", "size"], "Expected an order"),
        (["--scale", "log"], "Expected the scale"),
        (["--subject", ","], "Expected comma-separated names"),
        (["--out", "/nowhere/x.csv"], "existing folder"),
    ],
)
def test_bad_requests_end_in_a_sentence(more: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    stored(subjects=("S01",))
    words = WORDS if "--subject" in more else [*WORDS, "--subject", "S01"]
    assert main([*words, *more]) == 2
    text = capsys.readouterr().err
    assert sentence in text and "Traceback" not in text
