"""Files of Pereira et al. (2018) in both generations: what is read, where voxels lie, and what fits recover."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from brivl.config import cache_dir
from brivl.core.encoding.voxel_selection import CONSTANT, NOT_FINITE
from brivl.data.anatomy.slice_montage import slice_montage
from brivl.data.features import features_key
from brivl.data.flatmaps import make_flatmap
from brivl.data.formats.mat import field, read_mat, texts
from brivl.data.pereira2018.loader import open_pereira
from brivl.data.regions import available_parcellations, region_masks
from brivl.data.registry import list_datasets, open_dataset, open_folder
from brivl.data.subject_facts import load_facts
from brivl.data.summary import summarise_dataset
from brivl.encoding.fit import FitRequest, fit
from brivl.errors import DataError, RequestError
from brivl.store.artifacts import Store
from tests.support.app_driver import PAGES, charts, fresh_server, html, maps, open_page, region_charts  # noqa: F401 (a fixture)
from tests.support.app_samples import put_fit
from tests.support.pereira_fixture import (
    SHAPE,
    LabelledVoxels,
    cell_column,
    make_brain,
    meta_struct,
    sentences,
    write_concepts,
    write_subject,
)


@pytest.fixture
def store() -> Store:
    return Store(cache_dir())


def noise(n_rows: int = 24, n_voxels: int = 130) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((n_rows, n_voxels))


@pytest.mark.parametrize("experiment", ["2", "3"])
def test_both_generations_give_the_same(tmp_path: Path, experiment: str) -> None:
    Y, brain = noise(), make_brain()
    items, passage = sentences(len(Y))
    read = []
    for generation in "AB":
        write_subject(tmp_path / generation, "M02", Y, brain, generation, experiment)
        data = open_pereira(tmp_path / generation, experiment)
        design, stimulus, responses = data.design("M02"), data.stimulus("M02"), data.responses("M02")
        assert (design.tr, design.n_train, design.n_test, design.groups.tolist()) == (None, 24, 0, passage.tolist())
        assert stimulus.kind == "text" and list(stimulus.items) == items
        np.testing.assert_array_equal(stimulus.weights.toarray(), np.eye(24))
        np.testing.assert_array_equal(responses.Y_train, Y[:, brain.cerebral].astype(np.float32))
        np.testing.assert_array_equal(responses.voxels.aal, brain.aal[brain.cerebral])
        np.testing.assert_array_equal(responses.voxels.ijk, brain.ijk[brain.cerebral])
        read.append(responses)
    np.testing.assert_array_equal(read[0].Y_train, read[1].Y_train)
    assert read[0].voxels.affine is None and read[0].voxels.shape == SHAPE and "no affine" in read[0].voxels.space


def test_a_volume_is_rebuilt_as_a_loop_over_matlab_columns_does(tmp_path: Path) -> None:
    Y, brain = noise(), make_brain()
    path = write_subject(tmp_path, "P01", Y, brain)
    meta = scipy.io.loadmat(path)["meta"][0, 0]
    expected = np.full(np.prod(SHAPE), np.nan)
    for col in range(Y.shape[1]):  # MATLAB: vol(meta.indicesIn3D(col)) = Y(1, col)
        if 1 <= meta["roiMultimaskAAL"][col, 0] <= 90:
            expected[int(meta["indicesIn3D"][col, 0]) - 1] = Y[0, col]
    voxels = (responses := open_pereira(tmp_path).responses("P01")).voxels
    volume = np.full(voxels.shape, np.nan, np.float32)
    volume[tuple(voxels.ijk.T)] = responses.Y_train[0]
    np.testing.assert_array_equal(volume, expected.astype(np.float32).reshape(SHAPE, order="F"))
    for col in np.flatnonzero(brain.cerebral)[:20]:
        x, y, z = (meta["colToCoord"][col] - 1).astype(int)
        assert meta["coordToCol"][x, y, z] == col + 1 and volume[x, y, z] == np.float32(Y[0, col])
    geometry = slice_montage(voxels)
    assert set(geometry.pixel_to_voxel.indices) == set(range(voxels.n_voxels)) and not geometry.marks


def test_labels_follow_names_where_the_file_has_another_order(tmp_path: Path) -> None:
    brain = make_brain()
    path = write_subject(tmp_path, "P01", noise(), brain)
    mat = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("_")}
    meta, order = meta_struct(brain, "A"), np.r_[116, np.arange(1, 116)]  # new label i is old label order[i - 1]
    meta["roisAAL"], meta["roiColumnsAAL"] = meta["roisAAL"][order - 1], meta["roiColumnsAAL"][order - 1]
    meta["roiMultimaskAAL"] = np.where(brain.aal, brain.aal % 116 + 1, 0)[:, None]
    scipy.io.savemat(path, mat | {"meta": meta})
    np.testing.assert_array_equal(open_pereira(tmp_path).responses("P01").voxels.aal, brain.aal[brain.cerebral])


def put_features(store: Store, name: str, models: tuple[str, str], layer: int) -> list[np.ndarray]:
    """Made-up features of the two models on the sentences of a dataset, instead of those that models would compute."""
    stimulus, rng = open_dataset(name, store).stimulus("P01"), np.random.default_rng(5)
    made = [rng.standard_normal((6, stimulus.weights.shape[0], 6)).astype(np.float32) for _ in models]
    for model, X in zip(models, made, strict=True):
        store.put(features_key(stimulus, model), {"mean": X, "cls": X[::-1]}, {"model": model})
    return [X[layer - 1] for X in made]


def test_what_is_planted_is_recovered_where_it_was_planted(tmp_path: Path, store: Store) -> None:
    """The temporal lobe follows one model's layer 5, the frontal lobe the other's, the occipital lobe is noise."""
    n, name, models, rng = 120, f"{tmp_path}:2", ("brivl-mini", "minilm-l6"), np.random.default_rng(0)
    brain = make_brain(150)
    brain = replace(brain, aal=np.tile([81, 7, 49, 0, 100], 30))  # temporal, frontal, occipital, none, cerebellum
    Y = rng.standard_normal((n, 150))
    write_subject(tmp_path, "P01", Y, brain)
    for label, X in zip((81, 7), put_features(store, name, models, 5), strict=True):
        here = np.flatnonzero(brain.aal == label)
        Y[:, here] += X @ rng.standard_normal((6, len(here)))
    Y[3, 2], Y[:, 7] = np.nan, 1.0  # an occipital voxel with NaN, an occipital one that never changes
    write_subject(tmp_path, "P01", Y, brain)
    result = fit(store, FitRequest(name, models, 5, "P01")).result
    voxels = open_dataset(name, store).responses("P01").voxels
    assert dict(result.excluded) == {NOT_FINITE: 1, CONSTANT: 1} and len(result.selected) == 90
    areas = {key: inside & result.selected for key, inside in region_masks(voxels, "area").items()}
    assert set(areas) == {"Temporal lobe", "Frontal lobe", "Occipital lobe"}
    multi, uni = ({key: split[inside].mean() for key, inside in areas.items()} for split in result.r2_split)
    assert multi["Temporal lobe"] > 0.6 > 0.05 > abs(uni["Temporal lobe"])
    assert uni["Frontal lobe"] > 0.6 > 0.05 > abs(multi["Frontal lobe"])
    assert result.r2_joint[areas["Occipital lobe"]].mean() < 0.05


def test_levels_of_regions_and_default_models(tmp_path: Path, store: Store) -> None:
    brain = make_brain(900 // 2)
    write_subject(tmp_path, "M04", noise(8, 450), brain)
    summary = summarise_dataset(store, f"{tmp_path}:2")
    assert (
        summary.default_pair == ("brivl-mini", "minilm-l6")
        and summary.stimulus_kind == "text"
        and not summary.simulated
    )
    voxels = summary.dataset.responses("M04").voxels
    assert available_parcellations(voxels) == ("area", "merged", "region")
    assert [len(region_masks(voxels, level)) for level in available_parcellations(voxels)] == [8, 45, 90]
    assert "Nature Communications" in summary.citation


def test_names_subjects_and_listing(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "pereira2018"
    for subject in ("M15", "P01", "M03", "M02"):
        for experiment in "23":
            write_subject(root, subject, noise(8), make_brain(), "B" if subject == "M02" else "A", experiment)
    write_subject(root / "M07", "M07", noise(8), make_brain())  # an archive that nests
    write_concepts(root, "M17", noise(6), make_brain(), "pictures")
    assert open_dataset(str(root), store).subjects == ("P01", "M02", "M07", "M15")
    assert open_dataset(f"{root}:3", store).subjects == ("P01", "M02", "M03", "M15")
    concepts = open_dataset(f"{root}:1-pictures", store)
    assert concepts.subjects == ("M17",) and concepts.stimulus("M17").items[:2] == ["concept0", "concept1"]
    assert concepts.design("M17").groups.tolist() == list(range(6))
    assert open_dataset(f"{root}:3@shifted", store).title.endswith("(null)")
    with pytest.raises(RequestError, match="'4'"):
        open_dataset(f"{root}:4", store)
    with pytest.raises(DataError, match="wordclouds"):
        open_dataset(f"{root}:1-wordclouds", store)
    assert open_folder(root).name == "pereira2018:2"
    for folder in (root, tmp_path):
        monkeypatch.setenv("BRIVL_DATA", str(folder))
        listed = [card.name for card in list_datasets(store) if not card.simulated and "cache" not in card.name]
        assert listed == [f"{root}:2", f"{root}:3", f"{root}:1-pictures"]


def test_generation_a_is_taken_where_both_are_there_and_content_is_the_digest(tmp_path: Path) -> None:
    write_subject(tmp_path, "P01", noise(8), make_brain(), "B")
    b = open_pereira(tmp_path)
    first = b.digest("P01")
    path = write_subject(tmp_path, "P01", 2 * noise(8), make_brain(), "A")
    assert open_pereira(tmp_path).files["P01"] == path and open_pereira(tmp_path).digest("P01") != first
    assert b.digest("P01") == first


def test_texts_keep_their_letters(tmp_path: Path) -> None:
    """Curly quotes in UTF-8, padding, and letters that were decoded wrongly once."""
    kept = ["The cat\u2019s caf\u00e9.", "  padded \0 ", "The cat\u00e2\u20ac\u2122s", "caf\u00c3\u00a9", "\u00c2"]
    scipy.io.savemat(
        tmp_path / "a.mat", {"c": cell_column(kept), "n": cell_column([cell_column([text]) for text in kept]).T}
    )
    mat = read_mat(tmp_path / "a.mat", ("c", "n"))
    expected = ["The cat\u2019s caf\u00e9.", "padded", "The cat\u2019s", "caf\u00e9", "\u00c2"]
    assert texts(mat["c"]) == texts(mat["n"]) == expected


def test_sparse_and_empty_parts_are_read(tmp_path: Path) -> None:
    parts = {"s": scipy.sparse.eye_array(5, format="csc"), "e": np.zeros((0, 3)), "z": np.array([1 + 2j])}
    scipy.io.savemat(tmp_path / "a.mat", {"meta": parts}, do_compression=True)
    meta = read_mat(tmp_path / "a.mat", ("meta",))["meta"]
    np.testing.assert_array_equal(field(meta, "s").toarray(), np.eye(5))
    assert field(meta, "e").shape == (0, 3) and field(meta, "z").item() == 1 + 2j and field(meta, "none") is None


@pytest.mark.parametrize("order", ["<", ">"])
def test_texts_of_two_bytes_a_letter(tmp_path: Path, order: str) -> None:
    """MATLAB itself writes text as 16-bit numbers, which scipy.io.savemat never does."""
    text = "na\u00efve \u2019"
    raw = text.encode("utf-16-le" if order == "<" else "utf-16-be")

    def element(kind: int, data: bytes) -> bytes:
        tag = np.array([kind, len(data)], f"{order}u4").tobytes()
        return tag + data + bytes(-len(data) % 8)

    numbers = [(6, "u4", [4, 0]), (5, "i4", [1, len(text)])]
    parts = [element(kind, np.array(values, order + code).tobytes()) for kind, code, values in numbers]
    body = b"".join([*parts, element(1, b"c"), element(4, raw)])
    mark = np.array([0x0100, 0x4D49], f"{order}u2").tobytes()
    (tmp_path / "a.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + mark + element(14, body))
    assert texts(read_mat(tmp_path / "a.mat", ("c",))["c"]) == [text]


def test_an_empty_brain_and_lost_rows_are_refused(tmp_path: Path) -> None:
    brain = make_brain(12)
    write_subject(tmp_path, "P01", noise(8, 12), LabelledVoxels(brain.ijk, np.full(12, 95), brain.shape))
    with pytest.raises(DataError, match="Expected voxels in cerebral AAL regions"):
        open_pereira(tmp_path).responses("P01")
    path = write_subject(tmp_path, "P01", noise(8, 12), brain)
    mat = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("_")}
    scipy.io.savemat(path, mat | {"examples": mat["examples"][:7]})
    with pytest.raises(DataError, match="each of 8 texts"):
        open_pereira(tmp_path).responses("P01")


def test_pages_show_slices_areas_and_layers(tmp_path: Path, store: Store) -> None:
    name = f"{tmp_path}:2"
    for subject in ("P01", "M02"):
        write_subject(tmp_path, subject, noise(8), make_brain())
    summary, rng = summarise_dataset(store, name), np.random.default_rng(0)
    for subject in summary.subjects:
        voxels = load_facts(store, summary.dataset, subject).voxels
        make_flatmap(store, voxels)
        put_fit(store, summary, FitRequest(name, summary.default_pair, 4, subject), voxels.n_voxels, rng)
    for page in PAGES:
        at = open_page(page, data=name, layer="4", subject="P01")
        assert not at.exception and not at.error and len(charts(at)) + len(maps(at)) + len(region_charts(at)) == 1
        assert "SIMULATED" not in html(at)
    assert "no affine" in html(open_page("flatmap", data=name, layer="4", subject="P01"))
