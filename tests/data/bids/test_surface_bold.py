"""BOLD on fsaverage5, in CIFTI form and on other meshes: the same planted regions are found in every space."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.freesurfer.io import write_geometry

from brivl.data.anatomy.aal import aal_region_names, load_aal
from brivl.data.anatomy.vertices import _fsaverage5_sphere
from brivl.data.bids.bold import detrend_run
from brivl.data.bids.loader import BidsDataset, open_bids
from brivl.data.regions import coordinates
from brivl.data.subject_facts import load_facts
from brivl.errors import DataError
from brivl.store.artifacts import Store
from tests.support.fmriprep_study import ANIMALS, CIFTI, FORMS, HRF, PLANTED, SURFACE, make_study, place_of
from tests.support.surface_files import write_dense, write_mesh, write_series

RNG = np.random.default_rng(4)
FUNC = "derivatives/fmriprep/sub-01/ses-1/func"
STEM = "sub-01_ses-1_task-read_run-1"
SPACES = dict(zip(FORMS, ("MNI152NLin2009cAsym", "T1w", "fsaverage5", "fsLR"), strict=True))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    return make_study(folder / "study", subjects=1, runs=1, n_dummy=0, spikes=(), noise=0.5)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """One run on fsaverage5."""
    return make_study(tmp_path / "small", (SURFACE,), subjects=1, sessions=1, runs=1, n=20, n_dummy=0, spikes=())


def opened(study: Path, form: str, **options: str) -> BidsDataset:
    return open_bids(study, None, {"space": SPACES[form], **options})


def category_correlation(data: BidsDataset) -> np.ndarray:
    """Of each column with the category of the sentences, convolved with the planted response."""
    stimulus, Y = data.stimulus("sub-01"), np.asarray(data.responses("sub-01").Y_train)
    sign = np.array([1.0 if any(f" {animal} " in item for animal in ANIMALS) else -1.0 for item in stimulus.items])
    runs = np.split(stimulus.weights @ sign, data.design("sub-01").run_onsets[1:])
    x = np.concatenate([np.convolve(run, HRF)[: len(run)] for run in runs])
    with np.errstate(invalid="ignore", divide="ignore"):
        x, Y = x - x.mean(), Y - Y.mean(0)
        return x @ Y / (np.linalg.norm(x) * np.linalg.norm(Y, axis=0))


@pytest.mark.parametrize("form", FORMS)
def test_the_planted_regions_are_found_in_every_space(study: Path, form: str) -> None:
    data = opened(study, form)
    r, voxels, at = category_correlation(data), data.responses("sub-01").voxels, place_of(form)
    inside, planted = at.is_inside, at.is_planted
    if form in FORMS[:2]:
        inside, planted = np.ones(voxels.n_voxels, bool), at.is_planted[at.is_inside]
    assert voxels.n_voxels == len(r) == len(planted)
    assert np.isnan(r[~inside]).all(), "what does not vary stays constant, for the fit to leave out"
    shown = np.nan_to_num(r) > 0.45
    assert (shown == planted).mean() > 0.99 and (shown[planted]).mean() > 0.9
    mm = coordinates(voxels)
    if form != "T1w":
        names = [aal_region_names()[number - 1] for number in load_aal().at(mm[shown]) if number]
        assert sum(name in PLANTED for name in names) > 0.8 * shown.sum() and set(PLANTED) <= set(names)


def test_responses_are_what_nibabel_reads(study: Path) -> None:
    Y = opened(study, SURFACE, clean="none").responses("sub-01").Y_train
    parts = [
        nibabel.load(study / FUNC / f"{STEM}_hemi-{side}_space-fsaverage5_bold.func.gii").agg_data().T for side in "LR"
    ]
    np.testing.assert_array_equal(Y[:60], detrend_run(np.concatenate(parts, axis=1)))
    dense = opened(study, CIFTI, clean="none").responses("sub-01")
    image = nibabel.load(study / FUNC / f"{STEM}_space-{CIFTI}_bold.dtseries.nii")
    np.testing.assert_array_equal(dense.Y_train[:60], detrend_run(image.get_fdata(dtype=np.float32)))
    assert dense.voxels.surface.n_in_space == 71


def test_mesh_counts_and_what_is_not_fitted_are_said(study: Path, tmp_path: Path) -> None:
    data = opened(study, CIFTI)
    note = next(note for note in data.reading("sub-01").notes if note.startswith("Voxels"))
    n_unfit = int((~place_of(CIFTI).is_inside).sum())
    assert "59,412 vertices of fs_LR 32k (5,572 of the medial wall are not in the file)" in note
    assert "71 subcortical voxels" in note and f"{n_unfit:,} do not vary" in note
    facts = load_facts(Store(tmp_path), data, "sub-01")
    assert facts.voxels.surface.mesh == "fs_LR 32k" and note in facts.reading.notes
    assert len({opened(study, form).digest("sub-01") for form in FORMS}) == 4


def test_one_hemisphere_can_be_chosen(small: Path) -> None:
    left = open_bids(small, None, {"space": "fsaverage5", "hemi": "L"})
    assert left.responses("sub-01").voxels.n_voxels == 10_242
    (small / FUNC / f"{STEM}_hemi-R_space-fsaverage5_bold.func.gii").unlink()
    with pytest.raises(DataError, match="both hemispheres.*--hemi L"):
        open_bids(small).design("sub-01")


def test_wrong_files_end_in_a_sentence(small: Path, study: Path) -> None:
    right = small / FUNC / f"{STEM}_hemi-R_space-fsaverage5_bold.func.gii"
    left = small / FUNC / f"{STEM}_hemi-L_space-fsaverage5_bold.func.gii"
    whole = right.read_bytes()

    def said() -> str:
        with pytest.raises(DataError) as raised:
            open_bids(small).responses("sub-01")
        return str(raised.value)

    write_series(right, RNG.normal(size=(20, 40_962)), "R")
    assert "Expected 10,242 vertices in" in said() and "40,962 (fsaverage6)" in said()
    for path in (left, right):
        path.rename(path.with_name(path.name.replace("space-fsaverage5", "space-fsnative")))
    native = [path.with_name(path.name.replace("space-fsaverage5", "space-fsnative")) for path in (left, right)]
    assert "both hemispheres on one mesh" in said() and "fsaverage6" in said() and "fsaverage5" in said()
    for path, own in zip(native, (left, right), strict=True):
        path.rename(own)
    write_series(right, RNG.normal(size=(19, 10_242)), "R")
    assert "as many volumes in both hemispheres" in said() and "19 in" in said()
    write_series(right, RNG.normal(size=(20, 10_242)), "L")
    assert "got L by its content" in said()
    right.write_bytes(whole[:20_000])
    assert "truncated" in said() and str(right) in said()
    write_series(right, RNG.normal(size=(2, 10_242)), "R")
    write_series(left, RNG.normal(size=(2, 10_242)), "L")
    assert "at least 3 volumes" in said()
    for path in (left, right):
        path.unlink()
    dense = small / FUNC / f"{STEM}_space-fsLR_den-170k_bold.dtseries.nii"
    shutil.copy(study / FUNC / f"{STEM}_space-{CIFTI}_bold.dtseries.nii", dense)
    assert "59,292 vertices" in said() and "fs_LR 32k" in said()
    from nibabel.cifti2.cifti2_axes import BrainModelAxis

    below = BrainModelAxis.from_mask(np.ones((2, 2, 2), bool), "THALAMUS_LEFT", np.eye(4))
    write_dense(dense, RNG.normal(size=(20, 8)), below)
    assert "voxels alone" in said()


def test_runs_on_different_meshes_are_refused(tmp_path: Path) -> None:
    root = make_study(tmp_path / "a", (SURFACE,), subjects=1, sessions=1, n=20, n_dummy=0, spikes=())
    for side in "LR":
        path = root / FUNC / f"sub-01_ses-1_task-read_run-2_hemi-{side}_space-fsaverage5_bold.func.gii"
        path.unlink()
        write_series(path.with_name(path.name.replace("fsaverage5", "fsaverage6")), np.zeros((20, 40_962)), side, 2.0)
    with pytest.raises(DataError, match="on one mesh.*fsaverage6.*fsaverage5"):
        open_bids(root).responses("sub-01")


@pytest.mark.parametrize("kind", ["fMRIPrep", "FreeSurfer"])
def test_a_native_mesh_is_drawn_by_the_sphere_beside_the_data(small: Path, kind: str) -> None:
    sphere = _fsaverage5_sphere()
    order = RNG.permutation(10_242)
    faces = np.array([[0, 1, 2]] * 10)
    for side, points in (
        ("L", np.r_[sphere[:10_242][order], sphere[:100] + 1]),
        ("R", np.r_[sphere[10_242:], sphere[10_242:10_300] + 1]),
    ):
        path = small / FUNC / f"{STEM}_hemi-{side}_space-fsaverage5_bold.func.gii"
        path.unlink()
        Y = RNG.normal(size=(20, len(points)))
        write_series(path.with_name(path.name.replace("fsaverage5", "fsnative")), Y, side, 2.0)
        path.with_name(path.name.replace(".func.gii", ".json")).unlink()
        if kind == "fMRIPrep":
            anat = small / "derivatives/fmriprep/sub-01/anat"
            write_mesh(anat / f"sub-01_hemi-{side}_space-fsaverage_desc-reg_sphere.surf.gii", points, faces)
        else:
            surf = small / "derivatives/fmriprep/sourcedata/freesurfer/sub-01/surf"
            surf.mkdir(parents=True, exist_ok=True)
            write_geometry(surf / f"{'lh' if side == 'L' else 'rh'}.sphere.reg", points, faces)
    data = open_bids(small)
    voxels = data.responses("sub-01").voxels
    assert voxels.surface.mesh == "fsnative" and np.array_equal(voxels.surface.drawn[order], np.arange(10_242))
    assert "drawn on fsaverage5 by nearest vertex" in " ".join(data.reading("sub-01").notes)
    before = data.digest("sub-01")
    for path in [*small.rglob("*sphere*"), *small.rglob("?h.sphere.reg")]:
        path.unlink(missing_ok=True)
    alone = open_bids(small)
    assert alone.responses("sub-01").voxels.flatmap == "slices" and alone.digest("sub-01") != before
    assert "drawn on no cortex" in " ".join(alone.reading("sub-01").notes)


def test_a_mesh_of_another_subject_is_refused(small: Path) -> None:
    for side in "LR":
        path = small / FUNC / f"{STEM}_hemi-{side}_space-fsaverage5_bold.func.gii"
        path.rename(path.with_name(path.name.replace("fsaverage5", "fsnative")))
        native = path.with_name(path.name.replace("fsaverage5", "fsnative"))
        write_series(native, RNG.normal(size=(20, 10_300)), side, 2.0)
        anat = small / "derivatives/fmriprep/sub-01/anat"
        mesh = anat / f"sub-01_hemi-{side}_desc-reg_sphere.surf.gii"
        write_mesh(mesh, RNG.normal(size=(10_301, 3)), np.array([[0, 1, 2]]))
    with pytest.raises(DataError, match="10,300 vertices in the mesh.*got 10,301"):
        open_bids(small).responses("sub-01")
