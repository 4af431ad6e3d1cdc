"""Every analysis with a record: verb, task, request as JSON, code that runs as printed, bundle and its check."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import shlex
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brivl.analyses.registry import ANALYSES, analysis_named
from brivl.analyses.verify import CheckSettings, check_bundle
from brivl.analysis import Analysis, keys_of, request_from_json, run, stored, task_of
from brivl.commands.main import main
from brivl.config import PROJECT, cache_dir
from brivl.errors import RequestError
from brivl.sharing.analysis_evidence import figure_record, record_address, stored_evidence
from brivl.sharing.bundle import bundle_bytes
from brivl.sharing.citations import BIB
from brivl.store.artifacts import Store
from brivl.tasks.registry import TASKS
from tests.support.prepared_results import prepared_request

NAMES = [analysis.name for analysis in ANALYSES]


@pytest.fixture(params=NAMES)
def analysis(request: pytest.FixtureRequest) -> Analysis:
    return analysis_named(request.param)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verbs that write files without --out, such as generation, write into the folder of the test."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def store() -> Store:
    return Store(cache_dir())


def printed_json(capsys: pytest.CaptureFixture) -> dict:
    """What the verb printed, without the files that `--out` names."""
    printed = json.loads(capsys.readouterr().out)
    printed.pop("files", None)
    return printed


def halved(info: Any) -> Any:
    """Info with all its numbers halved, but for whole ones."""
    if isinstance(info, Mapping):
        return {name: halved(value) for name, value in info.items()}
    if isinstance(info, list | tuple):
        return [halved(value) for value in info]
    return info * 0.5 if isinstance(info, float) else info


def test_one_name_for_folder_page_task_verb_and_record(analysis: Analysis) -> None:
    assert (PROJECT / "brivl" / "analyses" / analysis.name / "analysis.py").is_file()
    assert (PROJECT / "pages" / f"{analysis.name}.py").is_file()
    assert (PROJECT / "docs" / f"{analysis.name}.md").is_file()
    assert (PROJECT / "tests" / "analyses" / analysis.name).is_dir()
    assert analysis.name in TASKS
    module, name = record_address(analysis)
    assert getattr(__import__(module, fromlist=[name]), name) is analysis
    assert set(analysis.references) <= set(BIB)


def test_a_request_survives_json_and_its_task(analysis: Analysis, store: Store) -> None:
    request = prepared_request(analysis, store)
    fields = json.loads(json.dumps(dataclasses.asdict(request)))
    assert request_from_json(analysis.request, fields) == request
    task = json.loads(json.dumps(task_of(analysis, store, request)))
    assert TASKS[task["task"]](task, lambda *_: None) is not None  # stored already: nothing is computed


def test_unknown_fields_of_a_request_are_refused(analysis: Analysis) -> None:
    with pytest.raises(RequestError, match="Expected"):
        request_from_json(analysis.request, {"no such field": 1})


def test_texts_are_sentences_and_numbers_are_json(analysis: Analysis, store: Store) -> None:
    result = stored(analysis, store, prepared_request(analysis, store))
    assert result is not None
    headline, caption, methods = analysis.headline(result, {}), analysis.caption(result, {}), analysis.methods(result)
    assert headline and not headline.endswith(".")
    assert caption.endswith(".") and methods.endswith(".")
    assert analysis.simulated(result) is True
    json.loads(json.dumps(analysis.summary(result)))
    tables = analysis.tables(result)
    assert tables and all(len(table.columns) for table in tables.values())


def test_the_verb_prints_the_stored_result(analysis: Analysis, store: Store, capsys: pytest.CaptureFixture) -> None:
    evidence = stored_evidence(analysis, store, prepared_request(analysis, store))
    assert evidence is not None
    words = shlex.split(evidence.shell_lines())
    assert words[:4] == ["python", "-m", "brivl", analysis.verb]
    if not analysis.has_verb:  # a verb of its own, which prints more; it runs as printed
        assert not main([*words[3:], "--json"])
        assert json.loads(capsys.readouterr().out)
        return
    assert main([*words[3:], "--json"]) == 0
    assert printed_json(capsys) == json.loads(json.dumps(analysis.summary(evidence.result)))
    assert main(words[3:]) == 0
    printed = capsys.readouterr().out
    assert "SIMULATED" in printed and analysis.headline(evidence.result, {}) in printed


def test_old_names_of_the_verb_go_on_working(analysis: Analysis, store: Store, capsys: pytest.CaptureFixture) -> None:
    evidence = stored_evidence(analysis, store, prepared_request(analysis, store))
    assert evidence is not None
    for name in analysis.old_names if analysis.has_verb else ():
        assert main([name, *shlex.split(evidence.shell_lines())[4:], "--json"]) == 0
        assert printed_json(capsys) == json.loads(json.dumps(analysis.summary(evidence.result)))


def test_python_lines_run_as_printed(analysis: Analysis, store: Store) -> None:
    evidence = stored_evidence(analysis, store, prepared_request(analysis, store))
    assert evidence is not None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(evidence.python_lines(), {})
    assert printed.getvalue().strip() == analysis.headline(evidence.result, {})


def test_a_bundle_is_whole_and_holds_until_it_is_changed(analysis: Analysis, store: Store, tmp_path: Path) -> None:
    evidence = stored_evidence(analysis, store, prepared_request(analysis, store))
    assert evidence is not None
    record = figure_record(evidence)
    path = tmp_path / "bundle.zip"
    path.write_bytes(bundle_bytes(store, record))
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    stem = record.file_stem
    assert {f"{stem}.{ending}" for ending in ("png", "svg", "pdf", "pptx", "csv")} <= set(files)
    assert {"manifest.json", "methods.md", "methods.tex", "methods.bib", "README.txt"} <= set(files)
    assert b"SIMULATED DATA" in files["methods.md"] and evidence.methods().encode() in files["methods.md"]
    assert all(key.encode() in files["methods.bib"] for key in evidence.references())
    checked = check_bundle(path, CheckSettings(store))
    assert checked.verdict == "match", checked.findings

    name = next(name for name in files if name.endswith(".csv"))
    with zipfile.ZipFile(path, "w") as archive:
        for each, content in files.items():
            archive.writestr(each, content + b"9,9\n" if each == name else content)
    assert check_bundle(path, CheckSettings(store)).verdict == "differs"


def test_a_bundle_of_another_result_differs(analysis: Analysis, store: Store, tmp_path: Path) -> None:
    request = prepared_request(analysis, store)
    evidence = stored_evidence(analysis, store, request)
    assert evidence is not None
    path = tmp_path / "bundle.zip"
    path.write_bytes(bundle_bytes(store, figure_record(evidence)))
    for key, artifact in zip(keys_of(analysis, store, request), evidence.artifacts, strict=True):
        arrays = {
            name: values * 0.5 if np.issubdtype(values.dtype, np.floating) else values
            for name, values in artifact.arrays.items()
        }
        store.put(key, arrays, artifact.info if arrays else halved(artifact.info))  # some results are rows of numbers
    assert check_bundle(path, CheckSettings(store)).verdict == "differs"


def test_a_result_is_computed_once(analysis: Analysis, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    request = prepared_request(analysis, store)
    first = stored(analysis, store, request)
    again = run(dataclasses.replace(analysis, compute=None), store, request)  # type: ignore[arg-type]
    assert analysis.headline(again, {}) == analysis.headline(first, {})
