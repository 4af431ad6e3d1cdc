"""python -m brivl bundle and verify: match, tampering, what cannot be recomputed, and hostile zip files."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from brivl.analyses.regions.ceiling import OVER_CEILING
from brivl.commands.main import main
from brivl.config import cache_dir
from brivl.data.formats.statmap import nifti_bytes, read_values
from brivl.data.summary import summarise_dataset
from brivl.encoding.fit import FitRequest, fit_key, put_single_model, single_model_key
from brivl.sharing.bundle import as_json, bundle_bytes, manifest
from brivl.store import archives
from brivl.store.archives import zip_bytes
from brivl.store.artifacts import Store
from brivl.store.digests import json_digest
from tests.support.app_samples import MOVIE, put_fit
from tests.support.plain_sample import make_plain
from tests.support.sharing_samples import PAIRS, figure_of, stored

Files = dict[str, bytes]


def contents(path: Path) -> Files:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def verified(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict]:
    code = main(["verify", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


_made: list[bytes] = []  # by the first test that asks: the same stored answers give the same bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    store = stored(subjects=("S01",))
    if not _made:
        _made.append(bundle_bytes(store, figure_of(store)))
    path = tmp_path / "bundle.zip"
    path.write_bytes(_made[0])
    return path


def test_what_was_made_here_matches(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = verified(capsys, str(bundle))
    assert (code, found["verdict"], found["simulated"]) == (0, "match", True)
    said = {finding["what"]: finding["sentence"] for finding in found["findings"]}
    assert "last bit" in said["layer 8, S01"] and sum("holds these scores" in s for s in said.values()) == 4
    assert main(["verify", str(bundle)]) == 0
    assert capsys.readouterr().out.startswith("SIMULATED DATA.")


def put_single_models(store: Store) -> np.ndarray:
    """Fits of each model alone, less than the joint fit by planted amounts."""
    request = FitRequest(MOVIE, PAIRS[MOVIE], 8, "S01")
    known, result = summarise_dataset(store, MOVIE), figure_of(store).evidence.answers[8, "S01"].result
    single = np.stack([result.r2_joint - 0.04, result.r2_joint - 0.03])
    for model, r2 in zip(request.models, single, strict=True):
        put_single_model(store, request, known.dataset, model, {"r2": r2, "selected": result.selected})
    return single


@pytest.mark.parametrize(
    ("page", "settings"), [("flatmap", {}), ("layers", {}), ("layers", {"view": "regions"}), ("regions", {})]
)
def test_unique_and_shared_parts_are_in_bundles_and_checked(
    page: str, settings: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, path = stored(subjects=("S01",)), tmp_path / "parts.zip"
    put_single_models(store)
    record = figure_of(store, page, settings=settings)
    files = {f"{record.file_stem}.csv": next(iter(record.csv_files().values())).encode()}
    files |= record.evidence.map_files(store) if page == "flatmap" else {}
    path.write_bytes(zip_bytes({"manifest.json": as_json(manifest(store, record, files)), **files}))
    code, found = verified(capsys, str(path))
    said = {finding["what"]: finding["sentence"] for finding in found["findings"]}
    assert (code, found["verdict"]) == (0, "match")
    assert said["layer 8, S01, unique and shared parts"].endswith("the same to the last bit")
    if page == "flatmap":
        maps = {name for name in files if name.endswith(".nii.gz")}
        named = sorted(name.split("Layer08")[1].split("_")[0] for name in maps)
        assert named == sorted("Joint A B UniqueA UniqueB Shared".split())
        voxels = record.evidence.facts["S01"].voxels
        for ending, planted in (("UniqueA", 0.03), ("UniqueB", 0.04)):
            (name,) = (name for name in maps if f"{ending}_" in name)
            values = read_values(files[name], voxels)
            np.testing.assert_allclose(values[np.isfinite(values)], planted, atol=1e-6)
            assert said[name] == "holds these scores"
    _change_singles(store)
    code, found = verified(capsys, str(path))
    bad = {finding["what"] for finding in found["findings"] if finding["verdict"] == "differs"}
    assert code == 1 and {"layer 8, S01, unique and shared parts", f"{record.file_stem}.csv"} <= bad
    for model in PAIRS[MOVIE]:
        store.remove(single_model_key(store, FitRequest(MOVIE, PAIRS[MOVIE], 8, "S01"), model))
    code, found = verified(capsys, str(path))
    assert code == 2 and "--recompute does so" in " ".join(finding["sentence"] for finding in found["findings"])


def _change_singles(store: Store) -> None:
    request = FitRequest(MOVIE, PAIRS[MOVIE], 8, "S01")
    known, result = summarise_dataset(store, MOVIE), figure_of(store).evidence.answers[8, "S01"].result
    for model in request.models:
        store.remove(single_model_key(store, request, model))
        scores = {"r2": result.r2_joint - 0.1, "selected": result.selected}
        put_single_model(store, request, known.dataset, model, scores)


def _other_map(files: Files) -> Files:
    """A map with other values, and a manifest that was made to agree."""
    store = Store(cache_dir())
    record = figure_of(store)
    name = next(n for n in files if n.endswith("A_statmap.nii.gz"))
    values = record.evidence.answers[8, "S01"].result.r2_split[0] + 0.01
    files[name] = nifti_bytes(record.evidence.facts["S01"].voxels, values)
    manifest = json.loads(files["manifest.json"])
    manifest["files"][name] = {"sha256": hashlib.sha256(files[name]).hexdigest(), "bytes": len(files[name])}
    return files | {"manifest.json": _signed(manifest)}


def _signed(manifest: dict) -> bytes:
    body = {name: value for name, value in manifest.items() if name != "self_sha256"}
    return json.dumps(body | {"self_sha256": json_digest(body)}).encode()


def _other_row(files: Files) -> Files:
    """A table with another number in one row, and a manifest that was made to agree."""
    name = next(n for n in files if n.endswith(".csv"))
    lines = files[name].decode().splitlines(keepends=True)
    place = lines[0].split(",").index("r2_split_b")
    cells = lines[3].split(",")
    cells[place] = "0.9"
    files[name] = "".join([*lines[:3], ",".join(cells), *lines[4:]]).encode()
    manifest = json.loads(files["manifest.json"])
    manifest["files"][name]["sha256"] = hashlib.sha256(files[name]).hexdigest()
    return files | {"manifest.json": _signed(manifest)}


def _other_mean(files: Files) -> Files:
    manifest = json.loads(files["manifest.json"])
    manifest["fits"][0] |= {"mean_r2_joint": 0.9, "scores_sha256": "0" * 64}
    return files | {"manifest.json": _signed(manifest)}


TAMPERED: dict[str, Callable[[Files], Files]] = {
    "changed after the bundle was made": lambda f: f | {"methods.md": b"better"},
    "is in the bundle and not": lambda f: f | {"more.txt": b"more"},
    "named in the manifest and not": lambda f: {name: c for name, c in f.items() if name != "methods.bib"},
    "changed after it was made": lambda f: (
        f | {"manifest.json": f["manifest.json"].replace(b'"simulated": true', b'"simulated": false')}
    ),
    "holds other values than": _other_map,
    "other values": _other_row,
    "0.9 in the bundle": _other_mean,
}


@pytest.mark.parametrize("sentence", TAMPERED)
def test_tampering_is_seen(sentence: str, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle.write_bytes(zip_bytes(TAMPERED[sentence](contents(bundle))))
    code, found = verified(capsys, str(bundle))
    assert (code, found["verdict"]) == (1, "differs")
    assert sum(sentence in f["sentence"] for f in found["findings"] if f["verdict"] == "differs") == 1


@pytest.mark.parametrize("settings", [{}, {"scale": "ceiling", "order": "p"}, {"unit": "voxel"}])
def test_tables_of_regions_are_made_again(settings: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, path = stored(), tmp_path / "regions.zip"
    record = figure_of(store, "regions", subjects=("S01", "S02"), settings=settings)
    files = {
        f"{record.file_stem}.csv": next(iter(record.csv_files().values())).encode()
    }  # figures are slow to draw and not looked at
    path.write_bytes(zip_bytes({"manifest.json": as_json(manifest(store, record, files)), **files}))
    assert ("_over_ceiling" in record.stem) == ("scale" in settings) == ("scale=ceiling" in record.link)
    code, found = verified(capsys, str(path))
    said = {finding["what"]: finding["sentence"] for finding in found["findings"]}
    assert code == 0 and said[f"{record.file_stem}.csv"] == "holds these scores"
    files = contents(path)
    name = f"{record.file_stem}.csv"
    mean = f"{record.make_tables()['scores']['mean_a'].iloc[1]}"
    files[name] = files[name].replace(mean.encode(), b"0.77")
    said_of_files = json.loads(files["manifest.json"])
    said_of_files["files"][name] = {"sha256": hashlib.sha256(files[name]).hexdigest(), "bytes": len(files[name])}
    path.write_bytes(zip_bytes(files | {"manifest.json": _signed(said_of_files)}))
    code, found = verified(capsys, str(path))
    assert code == 1 and ("holds other values" in " ".join(f["sentence"] for f in found["findings"]))


def test_scores_over_the_ceiling_in_a_bundle_are_those_of_the_page() -> None:
    store = stored()
    plain, over = (figure_of(store, "regions", subjects=("S01", "S02"), settings=s) for s in ({}, {"scale": "ceiling"}))
    ceiling = 0.3 / (0.3 + 0.7 / 10)
    np.testing.assert_allclose(
        over.make_tables()["scores"]["mean_a"], plain.make_tables()["scores"]["mean_a"] / ceiling, rtol=1e-5
    )
    assert (
        set(over.make_tables()["scores"]["score"]) == {OVER_CEILING}
        and "divided by its noise ceiling" in over.label.caption
    )


def test_other_numbers_in_the_cache_do_not_match(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(cache_dir())
    known, n = summarise_dataset(store, MOVIE), len(figure_of(store).evidence.answers[8, "S01"].result.selected)
    put_fit(store, known, FitRequest(MOVIE, PAIRS[MOVIE], 8, "S01"), n, np.random.default_rng(5))
    assert verified(capsys, str(bundle))[0] == 1


def test_what_is_not_there_cannot_be_recomputed(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(cache_dir())
    store.remove(fit_key(store, FitRequest(MOVIE, PAIRS[MOVIE], 8, "S01")))
    code, found = verified(capsys, str(bundle))
    assert (code, found["verdict"]) == (2, "unknown")
    assert "because it is not in the cache" in found["findings"][-1]["sentence"]


def test_bundle_of_a_folder_is_fitted_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole way on the command line, with a fit; no folder of this machine is in the file."""
    folder, out = make_plain(tmp_path / "plain"), tmp_path / "plain.zip"
    words = ["bundle", "--dataset", str(folder), "--models", "signal,other", "--layer", "1,2", "--subject", "all"]
    assert main([*words, "--out", str(out)]) == 0
    files = contents(out)
    assert not any(str(tmp_path).encode() in content for content in files.values())
    manifest = json.loads(files["manifest.json"])
    assert "not known" in manifest["maps_missing"] and not any(name.startswith("maps") for name in files)
    capsys.readouterr()
    assert verified(capsys, str(out))[0] == 2  # where the folder lies is nobody's business, so it must be said
    code, found = verified(capsys, str(out), "--dataset", str(folder), "--recompute")
    assert (code, found["verdict"]) == (0, "match")
    responses = np.load(folder / "responses" / "A.npy")
    np.save(folder / "responses" / "A.npy", responses[::-1].copy())
    code, found = verified(capsys, str(out), "--dataset", str(folder))
    assert code == 2 and "the data differ" in found["findings"][-1]["sentence"]


def _zip(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


HOSTILE = {
    "no zip": b"hello",
    "empty": b"",
    "cut": zip_bytes({"manifest.json": b"{}" * 500})[:200],
    "climbs": _zip(**{"../../evil": b"x"}),
    "root": _zip(**{"/etc/evil": b"x"}),
    "drive": _zip(**{"C:\\evil": b"x"}),
    "no bundle": _zip(a=b"x"),
    "no object": _zip(**{"manifest.json": b"[]"}),
    "deep": _zip(**{"manifest.json": b"[" * 100_000}),
    "other": _zip(**{"manifest.json": b'{"kind": "brivl-bundle"}'}),
    "bomb": _zip(**{"manifest.json": bytes(4_000_000)}),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_end_in_a_sentence(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 1_000_000)
    path = tmp_path / "hostile.zip"
    path.write_bytes(HOSTILE[kind])
    assert main(["verify", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("brivl: ") and err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir() if p.name != "cache"] == ["hostile.zip"]


@pytest.mark.parametrize(
    "change",
    [
        {"--page": "home"},
        {"--layer": "x"},
        {"--layer": "99"},
        {"--models": "a"},
        {"--subject": "S99"},
        {"--out": "none/there.zip"},
        {"--out": "b.txt"},
        {"--page": "flatmap", "--layer": "1,2"},
        {"--preset": "best"},
        {"--subject": ","},
    ],
)
def test_bad_requests_end_in_a_sentence(
    change: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = {
        "--dataset": MOVIE,
        "--models": "brivl-mini,vit-mini",
        "--layer": "8",
        "--subject": "S01",
        "--out": "b.zip",
    } | change
    assert main(["bundle", *(part for pair in words.items() for part in pair)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("brivl: ") and not list(tmp_path.glob("*.zip"))
    assert main(["verify", "absent.zip"]) == 2
