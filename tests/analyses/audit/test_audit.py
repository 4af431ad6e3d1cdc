"""The audit of a dataset: rows, what is kept, what cannot be asked, and the verb."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from brivl.analyses.audit import fits
from brivl.analyses.audit.analysis import AUDIT
from brivl.analyses.audit.compute import AuditResult, read
from brivl.analyses.audit.faults import CLEANING_OFF, CROP, FAULTS, PADDING, SHUFFLED, applicable, why_not
from brivl.analyses.audit.figures import figures
from brivl.analyses.audit.fits import PLAIN, baseline_fits, fault_fit, fit_title, regions_of
from brivl.analyses.audit.nuisance import BASELINES, baselines_for, nuisance_band
from brivl.analyses.audit.request import AuditRequest
from brivl.analyses.audit.rows import FAULT_COLUMNS, fault_row
from brivl.analyses.audit.tables import baseline_table, count_table, effect, fault_table, headline, methods
from brivl.analyses.verify import CheckSettings, check_bundle
from brivl.analysis import run, stored, task_of
from brivl.commands.main import main
from brivl.core.progress import no_progress
from brivl.core.records import Design, Stimulus, Truth
from brivl.data.bids.simulated_study import StudySize, simulate_bold, write_derivatives, write_raw
from brivl.data.pereira2018.passages import load_passages
from brivl.data.phantoms import sentences as phantom_sentences
from brivl.data.registry import open_dataset
from brivl.encoding import fit as fit_module
from brivl.encoding.fit import FitRequest, fit, leakage_warning
from brivl.errors import Cancelled, RequestError
from brivl.store.artifacts import Store
from brivl.tasks.registry import run_task
from brivl.viz.export import SLIDE
from brivl.viz.print_plotly import print_figures
from brivl.viz.style import FigureLabel
from tests.support import prepared_results
from tests.support.app_samples import sample_voxels
from tests.support.plain_sample import N_VOXELS, make_plain

MODELS = ("signal", "other")
READING = Design(None, 12, 0, np.zeros(1, int), groups=np.repeat(np.arange(3), 4))
FILM = Design(2.0, 8, 4, np.array([0, 4]))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_plain(tmp_path_factory.mktemp("data") / "plain"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def request_(plain: str) -> AuditRequest:
    return AuditRequest(plain, "A", MODELS, 2)


@pytest.fixture(scope="module")
def found(store: Store, request_: AuditRequest) -> AuditResult:
    return run(AUDIT, store, request_)


def row_of(found, name: str) -> dict:
    return next(row for row in found.faults if row["fault"] == name)


def test_off_is_the_fit_with_strict(found, store: Store, plain: str) -> None:
    result = fit(store, FitRequest(plain, MODELS, 2, "A")).result
    row = row_of(found, "own-zscore")
    assert row["joint_off"] == pytest.approx(result.r2_joint.mean(), abs=1e-4)
    assert [row["a_off"], row["b_off"]] == pytest.approx(result.r2_split.mean(1), abs=1e-4)
    assert row["joint_change"] == pytest.approx(row["joint_on"] - row["joint_off"], abs=2e-6) != 0
    assert row["difference_on"] == pytest.approx(row["a_on"] - row["b_on"], abs=2e-6)
    assert found.n_voxels == N_VOXELS and not found.simulated and found.n_silent == 0


def test_every_fault_has_a_row_and_those_that_cannot_occur_a_reason(found) -> None:
    assert [row["fault"] for row in found.faults] == [name for name in FAULTS if name != "cleaning-off"]
    assert all(set(row) == set(FAULT_COLUMNS) for row in found.faults)
    for fault in (PADDING, CROP):
        row = row_of(found, fault.name)
        assert "features that came with the data" in row["why_not"] and row["joint_on"] is None
    assert row_of(found, "shuffled-folds")["joint_on"] is not None and row_of(found, "together")["n_on"] == N_VOXELS
    assert [row["baseline"] for row in found.baselines] == ["position", "autocorrelation"]
    for row in found.baselines:
        assert row["joint_without"] == row_of(found, "own-zscore")["joint_off"]
        assert row["joint_with"] == pytest.approx(row["a_with"] + row["b_with"] + row["baseline_with"], abs=1e-5)
        assert row["alone"] < 0.05 < row["joint_with"] and row["alone_shuffled"] is not None


def test_a_stored_audit_is_found_and_turns_with_the_models(found, store: Store, request_: AuditRequest) -> None:
    again = stored(AUDIT, store, request_)
    assert again is not None and again.faults == found.faults
    turned = stored(AUDIT, store, dataclasses.replace(request_, models=MODELS[::-1]))
    assert turned is not None, "the order of the models plays no part"
    for row, other in zip(found.faults + found.baselines, turned.faults + turned.baselines, strict=True):
        for state in ("off", "on", "change", "without", "with"):
            if row.get(f"a_{state}") is not None:
                assert row[f"a_{state}"] == other[f"b_{state}"]
                assert row[f"difference_{state}"] == -other[f"difference_{state}"]
                assert row[f"joint_{state}"] == other[f"joint_{state}"]
    assert stored(AUDIT, store, dataclasses.replace(request_, n_voxels=11)) is None


def test_the_worker_answers_and_stops_between_fits(plain: str, tmp_path: Path) -> None:
    store, request = Store(tmp_path), AuditRequest(plain, "A", MODELS, 1, faults=("own-zscore",), baselines=False)
    told: list[tuple[float, float, str]] = []

    def stop(done: float, total: float, message: str) -> None:
        told.append((done, total, message))
        if message.startswith("Fit 2"):
            raise Cancelled

    task = json.loads(json.dumps(task_of(AUDIT, store, request)))
    with pytest.raises(Cancelled):
        run_task(task, stop)
    assert stored(AUDIT, store, request) is None and len(store.list(fits.KIND)) == 1, "the first fit is stored"
    assert told[-1] == (0.5, 1.0, "Fit 2 of 2: with z-scoring of the test set")
    assert {message for _, _, message in told[:-1]} == {"Fit 1 of 2: preset strict"}
    assert run_task(task, no_progress) == {}
    kept = stored(AUDIT, store, request)
    assert kept is not None and [row["fault"] for row in kept.faults] == ["own-zscore"] and kept.baselines == ()


def test_progress_has_plain_names() -> None:
    """As of a cancelled computation on screen: no name of a request, no @ and no hyphens of a code."""
    every = [fault_fit(fault, list(FAULTS.values())) for fault in FAULTS.values()]
    every += [how for name in BASELINES for how in baseline_fits(name, folds=True)]
    titles = [fit_title(how) for how in every if how is not None]
    codes = {*FAULTS, *BASELINES} - {"together", "length", "position", "luminance", "frame-difference", "drift"}
    codes -= {"untrained"}
    assert not [(title, code) for title in titles for code in codes if code in title]
    assert "luminance alone" in titles and "with luminance as a third band" in titles
    assert "with random crops" in titles and "untrained network alone, in shuffled folds" in titles


def test_a_check_computes_every_fit_anew(
    found, store: Store, request_: AuditRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle is recomputed from the data, although its fits are stored; the dataset's folder is named again."""
    bundle, n_fits = tmp_path / "audit.zip", []
    line = ["--cache", str(store.root), "audit", "--dataset", request_.dataset, "--models", ",".join(MODELS)]
    line += ["--layer", "2", "--subject", "A", "--bundle", str(bundle), "--json"]
    assert main(line) == 0
    computed = fits._compute
    monkeypatch.setattr(fits, "_compute", lambda *args: n_fits.append(1) or computed(*args))
    n_stored = len(store.list(fits.KIND))
    assert check_bundle(bundle, CheckSettings(store, dataset=request_.dataset)).verdict == "match" and not n_fits
    checked = check_bundle(bundle, CheckSettings(store, recompute=True, dataset=request_.dataset))
    assert checked.verdict == "match", checked.findings
    assert len(n_fits) == 4 + 2 * 3 and len(store.list(fits.KIND)) == n_stored  # faults, and baselines in three ways


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"faults": ("typo",)}, "'typo'"),
        ({"n_voxels": 3}, "10 voxels or more"),
        ({"layer": 9}, "layer 9"),
        ({"models": ("signal",)}, "two model names"),
    ],
)
def test_what_cannot_be_requested_is_said(store: Store, request_: AuditRequest, change: dict, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        run(AUDIT, store, dataclasses.replace(request_, **change))


def test_which_faults_and_baselines_data_allow() -> None:
    assert [f.name for f in applicable("text", READING)] == [
        n for n in FAULTS if n not in ("random-crop", "cleaning-off")
    ]
    assert [f.name for f in applicable("image", FILM)] == [
        n for n in FAULTS if n not in ("shuffled-folds", "unmasked-padding", "cleaning-off")
    ]
    assert "test run of its own" in why_not(SHUFFLED, "image", FILM)
    assert "groups.npy" in why_not(SHUFFLED, "features", Design(None, 9, 0, np.zeros(1, int)))
    together = fault_fit(FAULTS["together"], applicable("text", READING))
    assert together.changes == {"outer": "shuffled", "test_zscore": "own"} and together.variation == "unmasked-padding"
    assert fault_fit(FAULTS["uncorrected-tests"], []) is None and PLAIN.changes == {}
    assert len(baseline_fits("length", True)) == 3 and len(baseline_fits("length", False)) == 2
    assert len({json.dumps(dataclasses.asdict(how)) for how in baseline_fits("autocorrelation", True)}) == 3


def film(n_samples: int, order: list[int] | None = None) -> Stimulus:
    import scipy.sparse

    frames = np.random.default_rng(0).integers(0, 255, (2 * n_samples, 16, 16, 3)).astype(np.uint8)
    weights = scipy.sparse.kron(scipy.sparse.identity(n_samples), np.full((1, 2), 0.5), "csr")
    return Stimulus("image", frames, weights if order is None else weights[order])


def test_bands_of_a_film(tmp_path: Path) -> None:
    stimulus, store = film(12), Store(tmp_path)
    names = baselines_for(stimulus, FILM)
    assert names == ["luminance", "frame-difference", "drift", "all-nuisances", "untrained"]
    bands = {name: nuisance_band(store, stimulus, FILM, name, no_progress) for name in names[:-1]}
    assert [X.shape for X in bands.values()] == [(12, 17), (12, 4), (12, 4), (12, 25)]
    for X in bands.values():
        np.testing.assert_allclose(X.mean(0), 0, atol=1e-5)
    cell = (stimulus.items[:, :4, :4] @ np.array([0.2126, 0.7152, 0.0722]) / 255).mean((1, 2)).reshape(12, 2).mean(1)
    assert np.corrcoef(cell, bands["luminance"][:, 0])[0, 1] > 0.9999
    np.testing.assert_array_equal(bands["drift"][:4], bands["drift"][8:], err_msg="the test run begins anew")
    again = film(12, [3, 2, 1, 0, *range(4, 12)])
    assert "frame-difference" not in baselines_for(again, FILM), "frames out of order are no film"


def test_bands_of_sentences(tmp_path: Path) -> None:
    passages = load_passages()
    stimulus, design = phantom_sentences.stimulus(passages), phantom_sentences.design(passages)
    names = baselines_for(stimulus, design)
    assert names == ["length", "position", "autocorrelation", "all-nuisances", "untrained"]
    length = nuisance_band(Store(tmp_path), stimulus, design, "length", no_progress)
    words = [len(sentence.split()) for sentence in passages.sentences]
    assert np.corrcoef(length[:, 0], words)[0, 1] > 0.9999 and length.shape == (384, 2)
    assert nuisance_band(Store(tmp_path), stimulus, design, "all-nuisances", no_progress).shape == (384, 5)
    assert set(names) <= set(BASELINES)


class Known:
    """A subject whose truth is known, instead of `Material`."""

    def __init__(self, layers: np.ndarray) -> None:
        n = len(layers)
        self.truth = Truth(layers, np.zeros((2, n)), np.zeros(n), np.zeros((2, n)), ("m", "u"))
        self.request = FitRequest("phantom", ("m", "u"), 5, "P01")


def test_tests_that_find_something_in_nothing_are_counted() -> None:
    """Of 400 voxels half carry nothing: with p uniform there, about 10 are called at p < .05, and hardly one by q."""
    rng, n = np.random.default_rng(0), 400
    layers = np.repeat([0, 5], n // 2)
    p = np.where(layers > 0, 1e-4, rng.uniform(size=n))
    from brivl.core.regions.region_stats import bh_q

    fit = {
        "counted": np.ones(n, bool),
        "columns": np.arange(n),
        "voxel_p": p,
        "voxel_q": bh_q(p),
        "region_p": np.zeros(0),
        "region_q": np.zeros(0),
    }
    row = fault_row(FAULTS["uncorrected-tests"], "", {"strict": fit}, Known(layers))
    assert row["n_on"] == (p < 0.05).sum() and row["n_off"] >= n // 2 and row["n_tested"] == n
    assert row["n_false_on"] == (p[: n // 2] < 0.05).sum() > row["n_false_off"] and row["n_silent"] == n // 2
    said = effect(row, ("m", "u"))
    assert f"among 200 voxels without signal: {row['n_false_off']} (strict), {row['n_false_on']} (with fault)" in said
    fit |= {"region_p": np.array([0.01, 0.04, 0.9]), "region_q": np.array([0.03, 0.06, 0.9])}
    row = fault_row(FAULTS["uncorrected-tests"], "", {"strict": fit}, Known(layers))
    assert (row["n_off"], row["n_on"], row["n_tested"]) == (1, 2, 3) and "regions" in row["counted_as"]


def test_selection_is_told_with_what_it_keeps_of_nothing() -> None:
    rng, n = np.random.default_rng(0), 2000
    layers = np.repeat([0, 5], n // 2)
    parts = rng.normal(np.where(layers > 0, 0.1, -0.01), 0.05, (5, 3, n))
    parts[:, 0] = parts[:, 1:].sum(1)
    fit = {"parts": parts, "counted": np.ones(n, bool), "columns": np.arange(n), "r2": parts.mean(0)}
    row = fault_row(FAULTS["test-selection"], "", {"strict": fit}, Known(layers))
    assert row["silent_r2_on"] > 0.01 > 0 > row["silent_r2_off"] and row["joint_change"] > 0
    assert row["n_false_on"] > 0 and row["counted_as"] == "voxels kept"


def test_regions_are_those_of_the_paper() -> None:
    text, image = sample_voxels(400, "text"), sample_voxels(30, "image")
    assert len(regions_of(text, np.arange(400))) == 45 and set(regions_of(image, np.arange(30))) == set(image.rois)
    assert (
        len(regions_of(image, np.array([0, 3]))) == 1 and regions_of(sample_voxels(3, "features"), np.arange(3)) == {}
    )


def test_tables_and_sentences(found) -> None:
    tables = AUDIT.tables(found)
    assert list(tables) == ["faults", "counts", "not applicable", "baselines", "baselines alone", "leakage"]
    scores = ["joint R²", "signal", "other", "signal \N{MINUS SIGN} other"]
    faults = fault_table(found)
    assert list(faults) == ["fault", "score", "strict", "with fault"] and faults["score"].tolist() == scores * 4
    joint = faults[(faults["fault"] == FAULTS["own-zscore"].title) & (faults["score"] == "joint R²")].iloc[0]
    row = row_of(found, "own-zscore")
    assert [joint["strict"], joint["with fault"]] == pytest.approx([row["joint_off"], row["joint_on"]], abs=5e-5)
    counts = count_table(found)
    assert counts["strict"].tolist() == [N_VOXELS] * 3 + [0, N_VOXELS] and "Int64" == str(counts["strict"].dtype)
    assert "crops belong to pictures" in tables["not applicable"]["because"][1]
    assert baseline_table(found)["score"].tolist() == scores * 2 and len(tables["baselines alone"]) == 2
    assert "mean over 12 voxels" in methods(found)
    assert "Kriegeskorte et al. 2009" in methods(found) and "Feghhi et al. (2024)" in methods(found)
    assert effect(row_of(found, "random-crop"), MODELS).startswith("Not applicable, because crops belong")
    assert headline(found, {}).startswith("As published, joint R² ")


def test_tables_of_simulated_data_have_the_ground_truth() -> None:
    truth = {"difference_error_off": 0.49, "difference_error_on": 0.484, "silent_r2_off": -0.03, "silent_r2_on": 0.0}
    found = made_up(own_zscore=truth, test_selection={"n_false_off": 3, "n_false_on": 7})
    scores = fault_table(found).set_index("score")
    assert scores.loc["RMS error of BriVL-mini \N{MINUS SIGN} ViT-mini", "with fault"] == 0.484
    assert scores.loc["R² of voxels without signal", "strict"] == -0.03
    counts = count_table(found).set_index("counted")
    assert counts.loc["false positives in voxels without signal", ["strict", "with fault"]].tolist() == [3, 7]


def made_up(**changes: dict[str, float]) -> AuditResult:
    """An audit of made-up rows with other values of some faults, by their names with "_" for "-"."""
    info = prepared_results.audit_info()
    for row in info["faults"]:
        row |= changes.get(row["fault"].replace("-", "_"), {})
    request = AuditRequest("phantom-movie", "S01", ("brivl-mini", "vit-mini"), 8)
    return read([SimpleNamespace(info=info)], request)


def test_the_headline_says_what_most_of_the_effect_is_due_to() -> None:
    """The numbers are those measured on the simulated movie (docs/audit.md)."""
    together = {"joint_off": 0.491, "joint_on": 0.316, "joint_change": -0.174, "difference_off": -0.0788}
    crop = {"joint_off": 0.491, "joint_on": 0.3, "joint_change": -0.191}
    found = made_up(together=together | {"difference_on": -0.0132}, random_crop=crop)
    assert headline(found, {}) == (
        "As published, joint R² drops from 0.491 to 0.316, almost all of it from random crops; "
        "BriVL-mini \N{MINUS SIGN} ViT-mini goes from \N{MINUS SIGN}0.079 to \N{MINUS SIGN}0.013"
    )
    assert "chiefly from random crops" in headline(made_up(random_crop=crop), {})
    alone = made_up()
    no_cause = headline(made_up(together={"joint_on": 0.2, "joint_change": -0.2}), {})
    assert "drops from 0.400 to 0.200; BriVL-mini" in no_cause
    faults = tuple(row for row in alone.faults if row["fault"] == "own-zscore")
    assert headline(dataclasses.replace(alone, faults=faults), {}).startswith(
        "With z-scoring of the test set, joint R² drops from 0.400 to 0.390; "
    )
    faults = tuple(row for row in alone.faults if row["why_not"])
    assert headline(dataclasses.replace(alone, faults=faults), {}).startswith("No fault")


def test_baselines_have_a_view_with_its_own_headline_and_figure() -> None:
    found, options, label = made_up(), {"view": "baselines"}, FigureLabel("h", "c", True, "d")
    assert headline(found, options) == (
        "Low-level features alone reach R² = 0.020 (luminance), an untrained network 0.020, the models jointly 0.400"
    )
    ((title, figure),) = figures(found, label, "light", options).items()
    assert title == "Low-level baselines" and list(figure.layout.yaxis.ticktext) == ["Luminance", "Untrained network"]
    filled = next(trace for trace in figure.data if trace.name == "joint, with baseline")
    np.testing.assert_allclose(filled.x, [0.395, 0.395])
    assert "third band" in AUDIT.caption(found, options) and "with one fault" in AUDIT.caption(found, {})
    without = dataclasses.replace(found, baselines=())
    assert headline(without, options) == headline(without, {}) and list(figures(without, label, "light", options)) == [
        "Faults of the published protocol"
    ]


def test_words_are_those_of_the_field() -> None:
    """Model names with a minus sign, "strict" and "with fault", and which is closer to ground truth."""
    errors = {"difference_error_off": 0.49, "difference_error_on": 0.484, "silent_r2_off": -0.03, "silent_r2_on": 0.0}
    found = made_up(own_zscore=errors, random_crop=errors | {"difference_error_on": 0.578})
    better, worse = (effect(row_of(found, name), found.request.models) for name in ("own-zscore", "random-crop"))
    assert "RMS error of BriVL-mini \N{MINUS SIGN} ViT-mini drops from 0.490 to 0.484 (closer to ground truth" in better
    assert "(closer to ground truth with fault)." in better and "ground truth with preset strict)." in worse
    words = " ".join([better, worse, headline(found, {}), methods(found), *fault_table(found)["score"]])
    assert " less " not in words and " A " not in words and "nearer" not in words


def test_names_of_rows_have_no_tag_in_them() -> None:
    """The page showed <br> as letters: tags within names are escaped, and lines are broken afterwards."""
    drawn = figures(made_up(), FigureLabel("h", "c", True, "d"))
    ticks = drawn["Faults of the published protocol"].layout.yaxis.ticktext
    assert "Test set z-scored with its<br>own mean and SD" in ticks and "As published (all faults)" in ticks
    assert not [text for text in ticks if "&lt;" in text]
    printed = print_figures(drawn, FigureLabel("h", "c", True, "d"), SLIDE)
    names = [label.get_text() for axes in printed.axes for label in axes.get_yticklabels()]
    assert "Test set z-scored with its\nown mean and SD" in names and not [name for name in names if "<" in name]


def test_guard_is_silent_where_no_folds_can_be_made(plain: str, store: Store) -> None:
    dataset = open_dataset(plain, store)
    assert leakage_warning(dataset, "A", "strict") == "" and "8 of 8 passages" in leakage_warning(dataset, "A", "paper")
    assert leakage_warning(dataset, "A", "no such preset") == ""


def test_command_line(found, store: Store, plain: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = [
        "--cache",
        str(store.root),
        "audit",
        "--dataset",
        plain,
        "--models",
        ",".join(MODELS),
        "--layer",
        "2",
        "--subject",
        "A",
    ]
    assert main([*line, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert printed["faults"] == AUDIT.summary(found)["faults"] and printed["models"] == list(MODELS)
    assert [row["title"] for row in printed["faults"]] == [
        fault.title for fault in FAULTS.values() if fault is not CLEANING_OFF
    ]
    for row, kept in zip(printed["faults"], found.faults, strict=True):
        assert {**row, "title": kept["title"]} == kept
    assert printed["leaks"]["strict"] == "" and "passages" in printed["leaks"]["paper"] and not printed["simulated"]
    assert main(line) == 0
    out = capsys.readouterr().out
    assert (
        "Sentences assigned to folds at random" in out and "SIMULATED" not in out and "Position in the passage" in out
    )
    assert main([*line, "--markdown"]) == 0
    assert capsys.readouterr().out.count("\n| --- | ---") == 6
    assert main([*line, "--fault", "own-zscore", "test-selection", "--no-baselines", "--voxels", "900", "--json"]) == 0
    assert [r["fault"] for r in json.loads(capsys.readouterr().out)["faults"]] == ["own-zscore", "test-selection"]
    assert main([*line, "--fault", "nonsense"]) == 2 and main([*line, "--voxels", "1"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_fit_that_leaks_says_so_before_it_starts(
    store: Store, plain: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = [
        "--cache",
        str(store.root),
        "fit",
        "--dataset",
        plain,
        "--models",
        ",".join(MODELS),
        "--layer",
        "2",
        "--subject",
        "A",
    ]
    assert main([*line, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == "" and json.loads(out)["warning"] == ""

    def not_today(*_: object) -> None:
        raise RequestError("no fit today")

    monkeypatch.setattr(fit_module, "fit", not_today)
    assert main([*line, "--preset", "paper"]) == 2
    err = capsys.readouterr().err
    assert err.index("8 of 8 passages appear in both the training and the test set") < err.index("no fit today"), (
        "said first, and no hard stop"
    )


def test_cleaning_off_is_a_row_of_data_that_were_cleaned_here(tmp_path: Path) -> None:
    size, store = StudySize(n_runs=3, n_volumes=70, n_voxels=12, signal=1.0), Store(tmp_path / "store")
    sentences, derivatives = load_passages().sentences, tmp_path / "study/derivatives/fmriprep"
    write_raw(tmp_path / "study", sentences, size)
    write_derivatives(derivatives, simulate_bold(np.zeros((210, 12)), "non-steady volumes", size), size)
    name = f"{tmp_path / 'study'}:?clean=basic"
    request = AuditRequest(name, "sub-01", ("brivl-mini", "minilm-l6"), 2, faults=("cleaning-off",), baselines=False)
    result = run(AUDIT, store, request)
    (row,) = result.faults
    assert row["why_not"] == "" and row["joint_change"] == pytest.approx(row["joint_on"] - row["joint_off"], abs=2e-6)
    off = fit(store, FitRequest(f"{tmp_path / 'study'}:?clean=none", request.models, 2, "sub-01"))
    assert row["joint_on"] == pytest.approx(np.mean(off.result.r2_joint), abs=1e-4)
    assert row["joint_on"] != row["joint_off"] and "cleaning off" in headline(result, {})
    assert "without cleaning, where only the linear drift of each run is removed" in methods(result)
    assert CLEANING_OFF not in applicable("text", READING)
