"""Does a bundle still say what the numbers say? Its files against its manifest, its result against one made here."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from brivl.analyses.registry import analysis_named
from brivl.analyses.verify_tables import MadeHere, table_holds
from brivl.analysis import keys_of, request_from_json
from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.records import EncodingResult
from brivl.data.registry import list_datasets
from brivl.data.subject_facts import load_facts
from brivl.data.summary import DatasetSummary, summarise_dataset
from brivl.encoding.fit import FitRequest, FitResult, fit_key, refit, stored_fit
from brivl.encoding.within_subject import WithinSubjectRequest, WithinSubjectResult, within_subject_tests
from brivl.errors import BrivlError, Cancelled, DataError, RequestError
from brivl.sharing.analysis_evidence import AnalysisEvidence, figure_record, recompute, stored_evidence
from brivl.sharing.bundle import FORMAT, KIND, MANIFEST
from brivl.sharing.fingerprints import close, scores_digest, summary
from brivl.sharing.maps import WHAT
from brivl.store.archives import read_zip
from brivl.store.artifacts import Store
from brivl.store.digests import json_digest

Verdict = Literal["match", "differs", "unknown"]
FIELDS = {"format", "kind", "simulated", "dataset", "result", "files", "self_sha256"}
OF_FITS = {"fits", "map_layer"}
TABLE_ROUNDING = 1e-4  # relative; other machines add in another order
FIT_FIELDS = {
    "subject",
    "layer",
    "models",
    "preset",
    "pooling",
    "key",
    "ingredients",
    "scores_sha256",
    "n_voxels",
    "n_voxels_selected",
    "mean_r2_joint",
    "mean_r2_split",
}
MAP_ROUNDING = 1e-3  # R2 of a voxel; more than another order of adding makes
SAID = {
    "data": "the data",
    "models": "the models' weights",
    "layer": "the layer",
    "pooling": "the pooling",
    "preset": "the preset's settings",
    "version": "this program's way of fitting",
    "fit": "the data, the models, the layer or the preset's settings",
    "items": "the items of the gallery",
    "model": "the model's weights",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    verdict: Verdict
    sentence: str


@dataclass(frozen=True)
class Checked:
    """What was found of a bundle."""

    simulated: bool
    findings: list[Finding] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """ "differs" where anything does, else "unknown" where anything could not be looked at."""
        found = {finding.verdict for finding in self.findings}
        return "differs" if "differs" in found else "unknown" if "unknown" in found else "match"


@dataclass(frozen=True)
class Here:
    """Where and how the result is made again."""

    store: Store
    recompute: bool = False
    dataset: str = ""  # instead of the name in the bundle
    progress: ProgressCallback = no_progress


def check_bundle(path: Path, here: Here) -> Checked:
    """Compare a bundle with its manifest and with the result made here. Raises DataError for what is no bundle."""
    files = read_zip(path)
    manifest = _manifest(path, files)
    found = [_own_digest(manifest), *_files(manifest, files)]
    if "analysis" in manifest:
        return Checked(bool(manifest["simulated"]), [*found, *_analysis(manifest, files, here)])
    known, problem = _dataset(manifest, here)
    answers: dict[tuple[int, str], FitResult] = {}
    for fit in manifest["fits"]:
        made = Finding(_name(fit), "unknown", problem) if known is None else _made(fit, here, known)
        if isinstance(made, Finding):
            found.append(made)
            continue
        answers[fit["layer"], fit["subject"]] = made
        found.append(_scores(_name(fit), fit, made.result))
        found += _maps(fit, files, here, (known, made.result)) if fit["layer"] == manifest["map_layer"] else []
    if known is not None and len(answers) == len(manifest["fits"]):
        facts = {subject: load_facts(here.store, known.dataset, subject) for _, subject in answers}
        found += _tables(manifest, files, MadeHere(answers, facts, partial(_tests, here)))
    return Checked(bool(manifest["simulated"]), found)


def _tests(here: Here, fit: FitRequest, region: str) -> WithinSubjectResult:
    """Tests within a subject, computed where they are not stored."""
    return within_subject_tests(here.store, WithinSubjectRequest(fit, region), here.progress)


def _manifest(path: Path, files: Mapping[str, bytes]) -> dict[str, Any]:
    """The manifest, its form checked as far as it is used. Raises DataError."""
    try:
        manifest = json.loads(files[MANIFEST])
        right = manifest["kind"] == KIND and FIELDS <= manifest.keys() and isinstance(manifest["files"], dict)
        right = right and isinstance(manifest["dataset"]["name"], str)
        if "analysis" in manifest:
            about = manifest["analysis"]
            right = right and isinstance(about["name"], str) and isinstance(about["request"], dict)
            right = right and all({"key", "ingredients"} <= part.keys() for part in about["parts"])
        else:
            right = right and OF_FITS <= manifest.keys() and manifest["fits"]
            right = right and all(FIT_FIELDS <= fit.keys() for fit in manifest["fits"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        right = False
    if not right:
        raise DataError(
            f"{path.name!r} is a zip file, but no bundle of this program: it has no {MANIFEST} of its form."
        )
    if manifest["format"] != FORMAT:
        raise DataError(
            f"{path.name!r} is a bundle of format {manifest['format']!r}, and format {FORMAT} is read here."
        )
    return manifest


def _own_digest(manifest: Mapping[str, Any]) -> Finding:
    body = {name: value for name, value in manifest.items() if name != "self_sha256"}
    same = json_digest(body) == manifest["self_sha256"]
    return Finding(MANIFEST, "match" if same else "differs", "as written" if same else "was changed after it was made")


def _files(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> list[Finding]:
    """One finding for all files that are as written, one for each that is not."""
    said, there = manifest["files"], set(files) - {MANIFEST}
    bad = [Finding(name, "differs", "is named in the manifest and not in the bundle") for name in said.keys() - there]
    bad += [Finding(name, "differs", "is in the bundle and not in its manifest") for name in there - said.keys()]
    for name in said.keys() & there:
        wanted = said[name].get("sha256") if isinstance(said[name], dict) else None
        if hashlib.sha256(files[name]).hexdigest() != wanted:
            bad.append(Finding(name, "differs", "was changed after the bundle was made"))
    n_good = len(there | said.keys()) - len(bad)
    return [Finding("files", "match", f"{n_good} are as written"), *sorted(bad, key=lambda finding: finding.what)]


def _dataset(manifest: Mapping[str, Any], here: Here) -> tuple[DatasetSummary | None, str]:
    """The dataset here, or why it cannot be opened; folders are found by their names in BRIVL_DATA."""
    name = manifest["dataset"]["name"]
    try:
        return summarise_dataset(here.store, here.dataset or _local_name(here.store, name)), ""
    except BrivlError as error:
        advice = "" if here.dataset else " Where it lies in a folder, name that with --dataset."
        return None, f"cannot be recomputed here because the dataset {name!r} cannot be opened: {error}{advice}"


def _analysis(manifest: Mapping[str, Any], files: Mapping[str, bytes], here: Here) -> list[Finding]:
    """Compare the result of an analysis, and its tables, with the result made here."""
    name = str(manifest["analysis"]["name"])
    try:
        evidence, changed = _evidence(manifest, here)
    except Cancelled:
        raise
    except (BrivlError, TypeError, AttributeError) as error:
        return [Finding(name, "unknown", f"cannot be recomputed here: {error}")]
    if evidence is None:
        why = changed or "it is not in the cache; --recompute computes it"
        return [Finding(name, "unknown", f"cannot be compared here because {why}")]
    same = evidence.digest == manifest["result"]
    rows = [
        _table(path, files[path], text) for path, text in figure_record(evidence).csv_files().items() if path in files
    ]
    if same:
        return [Finding(name, "match", "the result is the same to the last bit"), *rows]
    close = bool(rows) and all(row.verdict == "match" for row in rows)
    sentence = "the result is the same up to rounding" if close else "the result differs from that of the bundle"
    return [Finding(name, "match" if close else "differs", sentence), *rows]


def _evidence(manifest: Mapping[str, Any], here: Here) -> tuple[AnalysisEvidence | None, str]:
    """The result here; None with what has changed since, or with "" where it is not stored."""
    about = manifest["analysis"]
    analysis, fields = analysis_named(about["name"]), dict(about["request"])
    for field_name in analysis.dataset_fields:
        if fields.get(field_name):
            fields[field_name] = _local_name(here.store, fields[field_name])
    if here.dataset and analysis.dataset_fields[0] in fields:
        fields[analysis.dataset_fields[0]] = here.dataset
    request = request_from_json(analysis.request, fields)
    data = analysis.open_data(here.store, request, here.progress)
    changed = set()
    for key, part in zip(keys_of(analysis, here.store, request, data), about["parts"], strict=True):
        if key.digest != part["key"]:
            names = key.ingredients.keys() | part["ingredients"].keys()
            changed |= {n for n in names if key.ingredients.get(n) != part["ingredients"].get(n)}
    if changed:
        words = sorted(SAID.get(name, name) for name in changed)
        return None, f"{' and '.join(words)} differ from those of the bundle"
    if here.recompute:
        return recompute(analysis, here.store, request, data, here.progress), ""
    return stored_evidence(analysis, here.store, request, data), ""


def _local_name(store: Store, name: str) -> str:
    """The dataset of this name here; folders are found by their names in BRIVL_DATA."""
    listed = [card.name for card in list_datasets(store) if Path(card.name).name == name] if "/" not in name else []
    return (listed or [name])[0]


def _table(path: str, content: bytes, text: str) -> Finding:
    """Whether a table of the bundle holds the values of the result here, up to rounding."""
    theirs, ours = (pd.read_csv(io.StringIO(one)) for one in (content.decode("utf-8", "replace"), text))
    same = list(theirs.columns) == list(ours.columns) and len(theirs) == len(ours)
    for column in ours.columns if same else ():
        one, other = theirs[column], ours[column]
        if pd.api.types.is_numeric_dtype(one) and pd.api.types.is_numeric_dtype(other):
            same = same and np.allclose(one, other, rtol=TABLE_ROUNDING, atol=TABLE_ROUNDING, equal_nan=True)
        else:
            same = same and bool((one.fillna("").astype(str) == other.fillna("").astype(str)).all())
    sentence = "holds these values" if same else "holds other values than the result"
    return Finding(path, "match" if same else "differs", sentence)


def _name(fit: Mapping[str, Any]) -> str:
    return f"layer {fit['layer']}, {fit['subject']}"


def _made(fit: Mapping[str, Any], here: Here, known: DatasetSummary) -> FitResult | Finding:
    """The answer that is compared with a fit of the bundle, or why there is none."""

    def cannot(why: str) -> Finding:
        return Finding(_name(fit), "unknown", f"cannot be recomputed here because {why}")

    try:
        request = FitRequest(
            known.name, tuple(fit["models"]), fit["layer"], fit["subject"], fit["preset"], fit["pooling"]
        )
        key = fit_key(here.store, request, known.dataset)
        if key.digest != fit["key"]:
            changed = [said for name, said in SAID.items() if key.ingredients.get(name) != fit["ingredients"].get(name)]
            return cannot(f"{' and '.join(changed) or 'what it rests on'} differ from those of the bundle")
        result = _result(here, request, known)
    except Cancelled:
        raise
    except (BrivlError, TypeError, AttributeError) as error:
        return cannot(f"it cannot be asked: {error}")
    if result is None:
        return cannot("it is not in the cache; --recompute fits it")
    return FitResult(request, result, {}, "miss" if here.recompute else "hit")


def _tables(manifest: Mapping[str, Any], files: Mapping[str, bytes], made: MadeHere) -> list[Finding]:
    found = []
    for name in sorted(name for name in files if name.endswith(".csv")):
        holds = table_holds(files[name], str(manifest.get("page")), made)
        if holds is not None:
            sentence = "holds these scores" if holds else "holds other values than the scores"
            found.append(Finding(name, "match" if holds else "differs", sentence))
    return found


def _result(here: Here, request: FitRequest, known: DatasetSummary) -> EncodingResult | None:
    if here.recompute:
        return refit(here.store, request, here.progress)
    answer = stored_fit(here.store, request, known.dataset)
    return None if answer is None else answer.result


def _scores(what: str, fit: Mapping[str, Any], result: EncodingResult) -> Finding:
    if scores_digest(result) == fit["scores_sha256"]:
        return Finding(what, "match", "scores of all voxels are the same to the last bit")
    now = summary(result)
    if close(fit, now):
        return Finding(what, "match", "scores are the same up to rounding")
    return Finding(
        what, "differs", f"mean joint R² is {now['mean_r2_joint']} here, {fit['mean_r2_joint']} in the bundle"
    )


def _maps(
    fit: Mapping[str, Any], files: Mapping[str, bytes], here: Here, made: tuple[DatasetSummary, EncodingResult]
) -> list[Finding]:
    """Whether the maps of a subject hold the scores."""
    from brivl.data.formats.statmap import read_values

    known, result = made
    voxels = load_facts(here.store, known.dataset, fit["subject"]).voxels
    parts = dict(zip(WHAT, (result.r2_joint, *result.r2_split), strict=True))
    found = []
    for what, values in parts.items():
        ending = f"Layer{fit['layer']:02d}{what.capitalize()}_statmap.nii.gz".lower()
        who = f"maps/sub-{fit['subject'].removeprefix('sub-')}/".lower()
        for name in sorted(n for n in files if n.lower().endswith(ending) and n.lower().startswith(who)):
            try:
                same = _alike(read_values(files[name], voxels), values)
                sentence = "holds these scores" if same else "holds other values than the scores"
                found.append(Finding(name, "match" if same else "differs", sentence))
            except DataError as error:
                found.append(Finding(name, "differs", str(error)))
    return found


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    gaps = np.abs(one.astype(float) - other.astype(float))
    return bool(np.array_equal(np.isnan(one), np.isnan(other)) and np.nanmax(gaps, initial=0.0) <= MAP_ROUNDING)


def refuse_no_file(path: Path) -> None:
    """Raise RequestError where there is no such file."""
    if not path.is_file():
        raise RequestError(f"Wanted a bundle (.zip) and found no file {str(path)!r}.")
