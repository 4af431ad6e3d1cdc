"""Each form of dataset in FORMATS is recognised by the folder it is for, and by no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from brivl.core.progress import no_progress
from brivl.data.registry import FORMATS, fixtures, format_of
from tests.support.bids_fixture import make_bids, write_events
from tests.support.plain_sample import make_plain

SIZES = {"shortclips": (1, 100, 120), "pereira2018": (1, 2000, 384), "algonauts2023": (1, 100, 20)}


def make_betas(folder: Path) -> None:
    (folder / "betas").mkdir(parents=True)
    np.save(folder / "betas/s1.npy", np.ones((4, 3)))
    write_events(folder / "trials.tsv", [("a",), ("b",)] * 2, ("stimulus",))


def _simulated(name: str) -> Callable[[Path], object]:
    return lambda folder: fixtures()[name].size(*SIZES[name]).write(folder, no_progress)


MAKERS: dict[str, Callable[[Path], object]] = {
    **{name: _simulated(name) for name in SIZES},
    "bids": make_bids,
    "betas": make_betas,
    "plain": make_plain,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {}
    for name, make in MAKERS.items():
        made[name] = tmp_path_factory.mktemp(name)
        make(made[name])
    return made


def test_every_form_has_a_folder_in_this_test() -> None:
    assert set(MAKERS) == {form.name for form in FORMATS}


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_a_form_matches_its_own_folder_alone(form, folders: dict[str, Path]) -> None:
    assert {name for name, folder in folders.items() if form.matches(folder)} == {form.name}
    found = format_of(folders[form.name])
    assert found is not None and found.name == form.name
