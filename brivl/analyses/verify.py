"""Check of a bundle: its files against its manifest, its result against that of this installation."""

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
from brivl.analyses.verify_tables import LocalResults, table_holds
from brivl.analysis import keys_of, request_from_json
from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.records import EncodingResult
from brivl.core.regions.variance_partitioning import partition_variance
from brivl.data.registry import list_datasets
from brivl.data.subject_facts import load_facts
from brivl.data.summary import DatasetSummary, summarise_dataset
from brivl.encoding.fit import FitRequest, FitResult, fit_key, refit, stored_fit
from brivl.encoding.single_model import stored_single_models
from brivl.encoding.within_subject import WithinSubjectRequest, WithinSubjectResult, within_subject_tests
from brivl.errors import BrivlError, Cancelled, DataError, RequestError
from brivl.sharing.analysis_evidence import AnalysisEvidence, figure_record, recompute, stored_evidence
from brivl.sharing.bundle import FORMAT, KIND, MANIFEST
from brivl.sharing.fingerprints import ROUNDING, close, parts_summary, scores_digest, summary
from brivl.sharing.maps import WHAT, file_word
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
INGREDIENT_NOUNS = {
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
    """The verdict on one file, fit or result."""

    what: str
    verdict: Verdict
    sentence: str


@dataclass(frozen=True)
class BundleCheck:
    """All findings about a bundle."""

    simulated: bool
    findings: list[Finding] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """ "differs" where anything does, else "unknown" where anything could not be checked, else "match"."""
        verdicts = {finding.verdict for finding in self.findings}
        return "differs" if "differs" in verdicts else "unknown" if "unknown" in verdicts else "match"


@dataclass(frozen=True)
class CheckSettings:
    """Where the result is looked up, and whether it is computed again."""

    store: Store
    recompute: bool = False
    dataset: str = ""  # instead of the name in the bundle
    progress: ProgressCallback = no_progress


def check_bundle(path: Path, settings: CheckSettings) -> BundleCheck:
    """Compare a bundle with its manifest and with the result of this installation.

    Parameters
    ----------
    path : Path
        The zip file.
    settings : CheckSettings
        Where the result is looked up.

    Returns
    -------
    BundleCheck
        All findings.

    Raises
    ------
    DataError
        For a file that is no bundle.
    """
    files = read_zip(path)
    manifest = _manifest(path, files)
    findings = [_own_digest(manifest), *_files(manifest, files)]
    if "analysis" in manifest:
        return BundleCheck(bool(manifest["simulated"]), [*findings, *_analysis(manifest, files, settings)])
    summary, problem = _dataset(manifest, settings)
    answers: dict[tuple[int, str], FitResult] = {}
    single: dict[FitRequest, np.ndarray] = {}
    for fit in manifest["fits"]:
        if summary is None:
            findings.append(Finding(_name(fit), "unknown", problem))
            continue
        local = _local_fit(fit, settings, summary)
        if isinstance(local, Finding):
            findings.append(local)
            continue
        answer, alone = local
        answers[fit["layer"], fit["subject"]] = answer
        if alone is not None:
            single[answer.request] = alone
        findings.append(_scores(_name(fit), fit, answer.result))
        findings += _parts(fit, alone)
        if fit["layer"] == manifest["map_layer"]:
            findings += _maps(fit, files, settings, (summary, answer.result, alone))
    if summary is not None and len(answers) == len(manifest["fits"]):
        facts = {subject: load_facts(settings.store, summary.dataset, subject) for _, subject in answers}
        findings += _tables(manifest, files, LocalResults(answers, facts, partial(_tests, settings), single))
    return BundleCheck(bool(manifest["simulated"]), findings)


def _tests(settings: CheckSettings, fit: FitRequest, region: str) -> WithinSubjectResult:
    """Tests within a subject, computed where they are not stored."""
    return within_subject_tests(settings.store, WithinSubjectRequest(fit, region), settings.progress)


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
            f"Expected a bundle of this program, got {path.name!r} without a valid {MANIFEST}. Export the bundle again."
        )
    if manifest["format"] != FORMAT:
        raise DataError(
            f"Expected a bundle of format {FORMAT}, got {path.name!r} of format {manifest['format']!r}. "
            "Check it with the version that made it."
        )
    return manifest


def _own_digest(manifest: Mapping[str, Any]) -> Finding:
    body = {name: value for name, value in manifest.items() if name != "self_sha256"}
    same = json_digest(body) == manifest["self_sha256"]
    return Finding(MANIFEST, "match" if same else "differs", "as written" if same else "was changed after it was made")


def _files(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> list[Finding]:
    """One finding for all files that are as written, one for each that is not."""
    listed, there = manifest["files"], set(files) - {MANIFEST}
    bad = [Finding(name, "differs", "is named in the manifest and not in the bundle") for name in listed.keys() - there]
    bad += [Finding(name, "differs", "is in the bundle and not in its manifest") for name in there - listed.keys()]
    for name in listed.keys() & there:
        expected = listed[name].get("sha256") if isinstance(listed[name], dict) else None
        if hashlib.sha256(files[name]).hexdigest() != expected:
            bad.append(Finding(name, "differs", "was changed after the bundle was made"))
    n_good = len(there | listed.keys()) - len(bad)
    return [Finding("files", "match", f"{n_good} are as written"), *sorted(bad, key=lambda finding: finding.what)]


def _dataset(manifest: Mapping[str, Any], settings: CheckSettings) -> tuple[DatasetSummary | None, str]:
    """The dataset here, or why it cannot be opened; folders are found by their names in BRIVL_DATA."""
    name = manifest["dataset"]["name"]
    try:
        return summarise_dataset(settings.store, settings.dataset or _local_name(settings.store, name)), ""
    except BrivlError as error:
        advice = "" if settings.dataset else " Where it lies in a folder, name that with --dataset."
        return None, f"cannot be recomputed here because the dataset {name!r} cannot be opened: {error}{advice}"


def _analysis(manifest: Mapping[str, Any], files: Mapping[str, bytes], settings: CheckSettings) -> list[Finding]:
    """Compare the result of an analysis, and its tables, with the result of this installation."""
    name = str(manifest["analysis"]["name"])
    try:
        evidence, changed = _evidence(manifest, settings)
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


def _evidence(manifest: Mapping[str, Any], settings: CheckSettings) -> tuple[AnalysisEvidence | None, str]:
    """The result here; None with what has changed since, or with "" where it is not stored."""
    about = manifest["analysis"]
    analysis, fields = analysis_named(about["name"]), dict(about["request"])
    for field_name in analysis.dataset_fields:
        if fields.get(field_name):
            fields[field_name] = _local_name(settings.store, fields[field_name])
    if settings.dataset and analysis.dataset_fields[0] in fields:
        fields[analysis.dataset_fields[0]] = settings.dataset
    request = request_from_json(analysis.request, fields)
    data = analysis.open_data(settings.store, request, settings.progress)
    changed = set()
    for key, part in zip(keys_of(analysis, settings.store, request, data), about["parts"], strict=True):
        if key.digest != part["key"]:
            names = key.ingredients.keys() | part["ingredients"].keys()
            changed |= {n for n in names if key.ingredients.get(n) != part["ingredients"].get(n)}
    if changed:
        words = sorted(INGREDIENT_NOUNS.get(name, name) for name in changed)
        return None, f"{' and '.join(words)} differ from those of the bundle"
    if settings.recompute:
        return recompute(analysis, settings.store, request, data, settings.progress), ""
    return stored_evidence(analysis, settings.store, request, data), ""


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


def _local_fit(
    fit: Mapping[str, Any], settings: CheckSettings, dataset: DatasetSummary
) -> tuple[FitResult, np.ndarray | None] | Finding:
    """The fit that is compared with one of the bundle and R2 of each model alone, or why there is none."""

    def cannot(why: str) -> Finding:
        return Finding(_name(fit), "unknown", f"cannot be recomputed here because {why}")

    try:
        request = FitRequest(
            dataset.name, tuple(fit["models"]), fit["layer"], fit["subject"], fit["preset"], fit["pooling"]
        )
        key = fit_key(settings.store, request, dataset.dataset)
        if key.digest != fit["key"]:
            changed = [
                noun
                for name, noun in INGREDIENT_NOUNS.items()
                if key.ingredients.get(name) != fit["ingredients"].get(name)
            ]
            return cannot(f"{' and '.join(changed) or 'its ingredients'} differ from those of the bundle")
        local = _result(settings, request, dataset)
    except Cancelled:
        raise
    except (BrivlError, TypeError, AttributeError) as error:
        return cannot(f"its request is not understood: {error}")
    if local is None:
        return cannot("it is not in the cache; --recompute fits it")
    result, single = local
    return FitResult(request, result, {}, "miss" if settings.recompute else "hit"), single


def _tables(manifest: Mapping[str, Any], files: Mapping[str, bytes], local: LocalResults) -> list[Finding]:
    findings = []
    for name in sorted(name for name in files if name.endswith(".csv")):
        holds = table_holds(files[name], str(manifest.get("page")), local)
        if holds is not None:
            sentence = "holds these scores" if holds else "holds other values than the scores"
            findings.append(Finding(name, "match" if holds else "differs", sentence))
    return findings


def _result(
    settings: CheckSettings, request: FitRequest, dataset: DatasetSummary
) -> tuple[EncodingResult, np.ndarray | None] | None:
    """Scores of both models together, and R2 of each alone, (2, n_voxels), where they are stored."""
    if settings.recompute:
        return refit(settings.store, request, settings.progress)
    answer = stored_fit(settings.store, request, dataset.dataset)
    return None if answer is None else (answer.result, stored_single_models(settings.store, request, dataset.dataset))


def _scores(what: str, fit: Mapping[str, Any], result: EncodingResult) -> Finding:
    if scores_digest(result) == fit["scores_sha256"]:
        return Finding(what, "match", "scores of all voxels are the same to the last bit")
    now = summary(result)
    if close(fit, now):
        return Finding(what, "match", "scores are the same up to rounding")
    return Finding(
        what, "differs", f"mean joint R² is {now['mean_r2_joint']} here, {fit['mean_r2_joint']} in the bundle"
    )


def _parts(fit: Mapping[str, Any], single: np.ndarray | None) -> list[Finding]:
    """Compare the fits of each model alone; nothing for bundles without them."""
    if "single_sha256" not in fit:
        return []
    what = f"{_name(fit)}, unique and shared parts"
    if single is None:
        why = "the models were not fitted alone here; --recompute does so"
        return [Finding(what, "unknown", f"cannot be compared here because {why}")]
    now = parts_summary(single)
    if now["single_sha256"] == fit["single_sha256"]:
        return [Finding(what, "match", "R² of each model alone is the same to the last bit")]
    theirs, ours = (np.array(each["mean_r2_single"], float) for each in (fit, now))
    if theirs.shape == ours.shape and np.allclose(theirs, ours, rtol=0, atol=ROUNDING, equal_nan=True):
        return [Finding(what, "match", "R² of each model alone is the same up to rounding")]
    sentence = f"mean R² of each model alone is {now['mean_r2_single']} here, {fit['mean_r2_single']} in the bundle"
    return [Finding(what, "differs", sentence)]


def _maps(
    fit: Mapping[str, Any],
    files: Mapping[str, bytes],
    settings: CheckSettings,
    local: tuple[DatasetSummary, EncodingResult, np.ndarray | None],
) -> list[Finding]:
    """Whether the maps of a subject hold the scores."""
    from brivl.data.formats.statmap import read_values

    summary, result, single = local
    voxels = load_facts(settings.store, summary.dataset, fit["subject"]).voxels
    parts = dict(zip(WHAT, (result.r2_joint, *result.r2_split), strict=True))
    if single is not None:
        parts |= partition_variance(result.r2_joint, single).by_name()
    findings = []
    for what, values in parts.items():
        ending = f"Layer{fit['layer']:02d}{file_word(what)}_statmap.nii.gz".lower()
        who = f"maps/sub-{fit['subject'].removeprefix('sub-')}/".lower()
        for name in sorted(n for n in files if n.lower().endswith(ending) and n.lower().startswith(who)):
            try:
                same = _alike(read_values(files[name], voxels), values)
                sentence = "holds these scores" if same else "holds other values than the scores"
                findings.append(Finding(name, "match" if same else "differs", sentence))
            except DataError as error:
                findings.append(Finding(name, "differs", str(error)))
    return findings


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    gaps = np.abs(one.astype(float) - other.astype(float))
    return bool(np.array_equal(np.isnan(one), np.isnan(other)) and np.nanmax(gaps, initial=0.0) <= MAP_ROUNDING)


def refuse_no_file(path: Path) -> None:
    """Check that a bundle exists.

    Parameters
    ----------
    path : Path
        The zip file.

    Raises
    ------
    RequestError
        Where there is no such file.
    """
    if not path.is_file():
        raise RequestError(f"Expected a bundle (.zip), got {str(path)!r}, which is no file. Check the path.")
