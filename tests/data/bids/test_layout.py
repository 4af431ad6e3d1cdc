"""A raw BIDS folder and its derivatives are one dataset; one form of each run is selected, and said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from brivl.commands.main import main
from brivl.data.bids.file_names import BidsFile, name_of_today
from brivl.data.bids.layout import Run, find_runs
from brivl.data.bids.loader import BidsDataset, open_bids
from brivl.data.bids.roots import Roots, find_roots
from brivl.data.bids.selection import Selection
from brivl.data.registry import open_dataset
from brivl.errors import DataError
from brivl.store.artifacts import Store
from tests.support.bids_fixture import make_bids, noise, write_events, write_nifti
from tests.support.fmriprep_fixture import make_fmriprep

MNI = "space-MNI152NLin2009cAsym_res-2_desc-preproc"


def forms(data: BidsDataset) -> set[str]:
    return {run.form for run in data.runs["sub-01"]}


def empty_files(root: Path, *names: str) -> None:
    """Files without content, as a clone leaves them: names are all that the layout needs."""
    for name in names:
        subject = name.split("_")[0]
        (root / subject / "func").mkdir(parents=True, exist_ok=True)
        (root / subject / "func" / name).touch()


def only(root: Path, **selected: str) -> tuple[Run, ...]:
    (runs,) = find_runs(Roots(root), Selection(**selected)).by_subject.values()
    return runs


def test_derivatives_within_the_raw_folder_beside_it_and_named_are_one_dataset(tmp_path: Path) -> None:
    inside = make_fmriprep(tmp_path / "a/study")
    beside = make_fmriprep(tmp_path / "b/study", tmp_path / "b/study-fmriprep")
    apart = make_fmriprep(tmp_path / "c/study", tmp_path / "elsewhere/out")
    opened = [
        open_bids(inside),
        open_bids(inside / "derivatives/fmriprep"),
        open_bids(beside),
        open_bids(beside.with_name("study-fmriprep")),
        open_bids(apart, options={"derivatives": str(tmp_path / "elsewhere/out")}),
        open_bids(inside, options={"derivatives": "fmriprep"}),
    ]
    for data in opened:
        assert (data.name, data.title, data.simulated, data.subjects) == ("study", "A study", True, ("sub-01",))
        assert forms(data) == {MNI} and len(data.runs["sub-01"]) == 3
        run = data.runs["sub-01"][0]
        assert run.events is not None and run.events.name == "sub-01_ses-1_task-read_run-01_events.tsv"
        assert run.mask is not None and run.mask.name.endswith("_desc-brain_mask.nii.gz")
        assert run.confounds is not None and run.confounds.name.endswith("_run-1_desc-confounds_timeseries.tsv")
        assert data.stimulus("sub-01").weights.shape == (120, 18) and data.design("sub-01").tr == 2.0
    assert len({data.digest("sub-01") for data in opened}) == 1  # wherever the folders lie
    note = f"BOLD: derivatives in fmriprep; events and stimuli from {inside.name}."
    assert note in opened[0].reading("sub-01").notes
    assert opened[0].reading("sub-01").chips[0] == "space MNI152NLin2009cAsym, res 2, desc preproc"


def test_a_study_beside_others_takes_only_derivatives_that_name_it(tmp_path: Path) -> None:
    raw = make_fmriprep(tmp_path / "study", tmp_path / "study-fmriprep")
    make_bids(tmp_path / "other")
    assert find_roots(raw) == Roots(raw, (tmp_path / "study-fmriprep",))
    assert find_roots(tmp_path / "other") == Roots(tmp_path / "other")
    about = tmp_path / "study-fmriprep/dataset_description.json"
    about.write_text(json.dumps({"DatasetLinks": {"raw": "../other"}}))
    assert find_roots(raw) == Roots(raw)
    assert find_roots(tmp_path / "other") == Roots(tmp_path / "other", (tmp_path / "study-fmriprep",))
    about.write_text(json.dumps({"SourceDatasets": [{"URL": f"file://{raw}"}]}))
    assert find_roots(tmp_path / "study-fmriprep") == Roots(raw, (tmp_path / "study-fmriprep",))
    with pytest.raises(DataError, match="Expected a folder of derivatives with sub-.* got 'tedana'. Choose one of"):
        open_bids(raw, options={"derivatives": "tedana"})
    about.write_text("[]")
    assert find_roots(raw) == Roots(raw)


def test_the_form_is_chosen_by_default_and_by_name_and_listed(tmp_path: Path) -> None:
    raw = make_fmriprep(tmp_path / "study")
    rng = np.random.default_rng(1)
    for run in (1, 2, 3, 4):  # raw BOLD, and a fourth run that was never preprocessed
        write_nifti(raw / f"sub-01/ses-1/func/sub-01_ses-1_task-read_run-0{run}_bold.nii.gz", noise(rng), 2.0)
    rows = [(0, 4, "another sentence")]
    fourth = raw / "sub-01/ses-1/func/sub-01_ses-1_task-read_run-04_events.tsv"
    write_events(fourth, rows, ("onset", "duration", "sentence"))
    data, store = open_bids(raw), Store(tmp_path / "cache")
    assert forms(data) == {MNI} and len(data.runs["sub-01"]) == 3
    assert "Derivatives have 3 of the 4 bold files of study." in data.reading("sub-01").notes
    assert data.selectable("sub-01") == {
        "derivatives": ("none", "fmriprep"),
        "space": ("MNI152NLin2009cAsym", "T1w", "none"),  # each has one resolution and description
    }
    chosen = {"derivatives": "fmriprep", "space": "MNI152NLin2009cAsym"}
    assert data.selected("sub-01") == chosen
    anatomical = open_dataset(f"{raw}:read?space=T1w", store)
    assert forms(anatomical) == {"space-T1w_desc-preproc"}
    assert anatomical.digest("sub-01") != data.digest("sub-01")
    for name in (f"{raw}:read?derivatives=none", f"{raw}:read?space=none"):
        untouched = open_dataset(name, store)
        assert forms(untouched) == {""} and len(untouched.runs["sub-01"]) == 4
        assert any("native space" in note for note in untouched.reading("sub-01").notes)
    with pytest.raises(DataError, match="Expected runs of read with space=fsaverage, got .*space-T1w.*--space T1w"):
        open_dataset(f"{raw}:read?space=fsaverage", store).design("sub-01")


def test_two_folders_of_derivatives_are_told_apart_by_name(tmp_path: Path) -> None:
    raw = make_fmriprep(make_fmriprep(tmp_path / "study"), tmp_path / "study/derivatives/second")
    with pytest.raises(DataError, match="in 'fmriprep' and 'second'.*--derivatives fmriprep"):
        open_bids(raw).design("sub-01")
    second = open_bids(raw, options={"derivatives": "second"})
    assert second.runs["sub-01"][0].root.name == "second"
    assert second.selectable("sub-01")["derivatives"] == ("second", "fmriprep")  # the way back


def test_names_of_fmriprep_before_1_2(tmp_path: Path) -> None:
    stem = "sub-CSI1_ses-01_task-5000scenes_run-01"
    today = {
        f"{stem}_bold_space-T1w_preproc.nii.gz": f"{stem}_space-T1w_desc-preproc_bold.nii.gz",
        f"{stem}_bold_space-T1w_brainmask.nii.gz": f"{stem}_space-T1w_desc-brain_mask.nii.gz",
        f"{stem}_bold_space-T1w_variant-smoothAROMAnonaggr_preproc.nii.gz": (
            f"{stem}_space-T1w_desc-smoothAROMAnonaggr_bold.nii.gz"
        ),
        f"{stem}_bold_space-fsnative.L.func.gii": f"{stem}_hemi-L_space-fsnative_bold.func.gii",
        f"{stem}_bold_confounds.tsv": f"{stem}_desc-confounds_timeseries.tsv",
        f"{stem}_events.tsv": f"{stem}_events.tsv",
    }
    assert {name: name_of_today(name) for name in today} == today
    assert BidsFile.of(tmp_path / f"{stem}_bold_confounds.tsv").suffix == "timeseries.tsv"
    old = [name for name in today if not name.endswith("events.tsv")]
    empty_files(tmp_path, *old, old[3].replace(".L.", ".R."))
    (volume,) = only(tmp_path, space="T1w")
    assert (volume.form, volume.kind) == ("space-T1w_desc-preproc", "volume")
    assert volume.mask is not None and volume.mask.name.endswith("brainmask.nii.gz")
    assert volume.confounds is not None and volume.confounds.name.endswith("_bold_confounds.tsv")
    (surface,) = only(tmp_path, space="fsnative")
    assert [bold.path.name.split(".")[1] for bold in surface.bolds] == ["L", "R"] and surface.problem == ""


def test_hemispheres_are_one_run_and_a_dense_series_is_one(tmp_path: Path) -> None:
    stem = "sub-1_task-x_run-1"
    sides = [f"{stem}_hemi-{side}_space-fsaverage5_bold.func.gii" for side in "RL"]
    empty_files(
        tmp_path, *sides, f"{stem}_space-fsLR_den-91k_bold.dtseries.nii", f"{stem}_desc-confounds_timeseries.tsv"
    )
    (surface,) = only(tmp_path, space="fsaverage5")
    assert [bold.entities["hemi"] for bold in surface.bolds] == ["L", "R"] and surface.kind == "surface"
    assert surface.form == "space-fsaverage5" and surface.confounds is not None and surface.problem == ""
    assert {path.name for path in surface.files} == set(sides)
    (right,) = only(tmp_path, hemi="R")
    assert [bold.path.name for bold in right.bolds] == sides[:1] and right.form == "space-fsaverage5_hemi-R"
    (dense,) = only(tmp_path, den="91k")
    assert (dense.kind, dense.bolds[0].ending, len(dense.bolds)) == ("cifti", ".dtseries.nii", 1)
    (undecided,) = only(tmp_path)
    assert "Expected one bold file for each run" in undecided.problem
    (tmp_path / "sub-1/func" / sides[0]).unlink()
    (half,) = only(tmp_path, space="fsaverage5")
    assert half.problem.startswith("Expected files of both hemispheres, got ") and "--hemi L" in half.problem
    assert only(tmp_path, hemi="L")[0].problem == ""
    with pytest.raises(DataError, match="Expected hemi=L or hemi=R, got 'left'"):
        Selection.from_options({"hemi": "left"})


def test_acquisitions_directions_and_echoes_are_selected(tmp_path: Path) -> None:
    names = [f"sub-1_task-x_acq-{acq}_dir-{way}_run-1_bold.nii" for acq in ("a", "b") for way in ("AP", "PA")]
    empty_files(tmp_path, *names)
    assert len(only(tmp_path)) == 4 and len(only(tmp_path, acq="a")) == 2
    assert [run.bold.name for run in only(tmp_path, acq="b", dir="PA")] == [names[3]]
    empty_files(tmp_path, *(f"sub-1_task-y_echo-{echo}_bold.nii" for echo in (1, 2)))
    problems = {run.task: run.problem for run in only(tmp_path)}
    assert problems["x"] == "" and "echo-1, echo-2" in problems["y"]


def test_the_mask_is_that_of_the_brain_on_the_own_resolution(tmp_path: Path) -> None:
    stem = "sub-1_task-x_space-MNI152NLin2009cAsym"
    for res in ("1", "2"):
        empty_files(tmp_path, f"{stem}_res-{res}_desc-preproc_bold.nii.gz", f"{stem}_res-{res}_desc-brain_mask.nii.gz")
    empty_files(tmp_path, f"{stem}_res-2_label-GM_desc-tissue_mask.nii.gz")
    (run,) = only(tmp_path, res="2")
    assert run.mask is not None and run.mask.name == f"{stem}_res-2_desc-brain_mask.nii.gz"


def test_the_command_line_takes_derivatives_and_space(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = make_fmriprep(tmp_path / "study", tmp_path / "elsewhere/out")
    words = ["--cache", str(tmp_path / "cache"), "fit", "--dataset", str(raw), "--models", "brivl-mini,minilm-l6"]
    words += ["--layer", "2", "--subject", "sub-01", "--json"]
    assert main(words) == 2
    assert "Expected runs as sub-*/func/*_bold.nii.gz" in capsys.readouterr().err
    assert main([*words, "--derivatives", str(tmp_path / "elsewhere/out"), "--space", "T1w"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert "form space-T1w_desc-preproc." in said["reading"]["notes"][1] and said["n_voxels"] == 60
