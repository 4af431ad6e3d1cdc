"""Reproduction with real fits: a run that is stopped goes on, a tiny phantom and a published form run to the end."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brivl.analyses.reproduce import files as reproduce_files
from brivl.analyses.reproduce.compute import reproduce
from brivl.analyses.reproduce.source import ReproductionRequest
from brivl.config import cache_dir
from brivl.data import flatmaps
from brivl.data.anatomy.slice_montage import slice_montage
from brivl.errors import Cancelled, RequestError
from brivl.store.artifacts import Store
from tests.support.plain_sample import make_plain
from tests.support.shortclips_fixture import (
    N_REPEATS,
    N_RUNS,
    N_TEST,
    ONSETS,
    RUN,
    make_shortclips,
    responses_arrays,
    write,
)
from tests.support.tiny_phantom import LAYER, NAME, shrink

N_TRAIN = N_RUNS * RUN
SMALL = NAME.replace("240/40", "120/24")


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproduce_files, "DPI", 30)


def test_a_stopped_run_goes_on(tmp_path: Path) -> None:
    """Stopped once the first of two fits is kept; the second run makes the other one and ends like a run in one go."""
    store, wanted = Store(cache_dir()), ReproductionRequest((str(make_plain(tmp_path / "plain")),), ("signal", "other"))

    def stop(done: float, total: float, message: str) -> None:
        if message.startswith("Layer 2"):
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        reproduce(store, ["fig5a"], wanted, tmp_path / "out", stop)
    assert len(store.list("fit")) == 1 and not list((tmp_path / "out").iterdir())
    (first,) = [manifest["created"] for manifest in store.list("fit")]
    reproduce(store, ["fig5a"], wanted, tmp_path / "out")
    fits = store.list("fit")
    assert len(fits) == 2 and first in [manifest["created"] for manifest in fits]
    reproduce(Store(tmp_path / "other"), ["fig5a"], wanted, tmp_path / "again")
    for name in ("fig5a.csv", "checks.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    table = pd.read_csv(tmp_path / "out" / "fig5a.csv")
    assert not table["simulated"].any() and set(table["model"]) == {"both", "signal", "other"}
    split = table[table["quantity"] == "split R2"].pivot_table(index="layer", columns="model", values="r2")
    assert split.loc[2, "signal"] > 0.3 and split["other"].abs().max() < 0.1  # responses were made from layer 2


def test_regions_need_labels(tmp_path: Path) -> None:
    """Plain arrays have no AAL labels; the sentence says so instead of an empty figure."""
    wanted = ReproductionRequest((str(make_plain(tmp_path / "plain")),), ("signal", "other"))
    with pytest.raises(RequestError, match="needs AAL labels"):
        reproduce(Store(cache_dir()), ["fig5d"], wanted, tmp_path / "out")


def test_a_tiny_phantom_runs_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)
    monkeypatch.setattr(flatmaps, "_make", lambda _store, voxels, _own: slice_montage(voxels))  # no cortex in a test
    wanted = ReproductionRequest((SMALL,), subjects=("S01", "S02"), layers=(LAYER,))
    said: list[tuple[float, float, str]] = []
    done = reproduce(Store(cache_dir()), ["fig4", "fig5a"], wanted, tmp_path, lambda *now: said.append(now))
    fits = [now[0] for now in said if now[1] == 2]  # of two; single things follow
    assert fits == sorted(fits) and any(message.startswith("Features") for _, _, message in said)
    assert done.made == ("fig4a", "fig4b", "fig4d")
    assert "needs layer 4" in done.not_made["fig4c"] and "needs sentences" in done.not_made["fig5a"]
    stems = {"fig4a", "fig4b", "fig4d"}
    files = {f"{stem}.{ending}" for stem in stems for ending in ("csv", "json", "pdf", "png")}
    assert {path.name for path in tmp_path.iterdir()} - {"cache"} == files | {"checks.csv", "checks.md"}
    table = pd.read_csv(tmp_path / "fig4d.csv")
    assert table["simulated"].all()
    lead = (table["r2_split_a"] - table["r2_split_b"]).groupby(table["roi"]).mean()
    assert lead["multi"] > 0 and lead["multi"] > lead["uni"]  # as planted
    assert set(done.checks["simulated"].dropna()) == {True}


def test_shortclips_with_its_own_flatmap(tmp_path: Path) -> None:
    """Feature spaces and the mapper file of the published form: maps without pycortex, not called simulated."""
    folder, rng = make_shortclips(tmp_path / "shortclips"), np.random.default_rng(2)
    shutil.rmtree(folder / "stimuli")
    X = rng.normal(size=(2, N_TRAIN + N_TEST, 5))
    for name, space in zip(("wordnet", "motion_energy"), X, strict=True):
        write(folder / "features" / f"{name}.hdf", {"X_train": space[:N_TRAIN], "X_test": space[N_TRAIN:]})
    arrays = responses_arrays(20)
    signal = X[0] @ rng.normal(size=(5, 20))
    arrays["Y_train"] += signal[:N_TRAIN]
    arrays["Y_test"] += np.broadcast_to(signal[N_TRAIN:], (N_REPEATS, N_TEST, 20))
    write(folder / "responses" / "S01_responses.hdf", arrays | {"run_onsets": ONSETS})
    wanted = ReproductionRequest((str(folder),), ("wordnet", "motion_energy"), subjects=("S01",))
    done = reproduce(Store(cache_dir()), ["fig4a", "fig4e"], wanted, tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "fig4e.csv")
    assert done.made == ("fig4a", "fig4e") and not table["simulated"].any() and len(table) == 18
    assert (table["r2_split_a"] > table["r2_split_b"]).all() and set(table["dataset"]) == {"shortclips"}
    assert done.checks.set_index("check")["verdict"]["4c-e-psts"] == "not testable"
