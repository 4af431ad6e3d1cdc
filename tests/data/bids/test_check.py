"""`data FOLDER`: what is here and what the owner needs next, on a small clone and on slices of nine public sets."""

from __future__ import annotations

import glob
import gzip
import json
import re
import shlex
import tarfile
from pathlib import Path

import numpy as np
import pytest

from brivl.commands.main import main
from brivl.data.folder_check import FolderCheck
from brivl.data.formats.file_state import file_state
from brivl.data.status import data_reports, folder_checks
from brivl.errors import DataError, RequestError
from brivl.store.artifacts import Store
from tests.support.app_driver import html, open_page
from tests.support.bids_fixture import make_bids, write_events

SKELETONS = Path(__file__).resolve().parents[4] / "shared/data/unfetched_skeletons.tar.gz"
if not SKELETONS.is_file():
    SKELETONS = Path("/work/shared/data/unfetched_skeletons.tar.gz")


def unfetched(path: Path, n_bytes: int, number: int = 0) -> None:
    """A link as git-annex leaves it where nothing is fetched."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    key = f"MD5E-s{n_bytes}--{number:032x}{''.join(path.suffixes)}"
    path.symlink_to(f"../../.git/annex/objects/{number}/{key}/{key}")


def make_clone(root: Path, images: str = "") -> Path:
    """Two subjects with two sessions of three runs each, BOLD of 1 MB each; a run of rest; events of new sentences."""
    for subject in ("01", "02"):
        for session in ("a", "b"):
            for run in (1, 2, 3):
                stem = f"sub-{subject}_ses-{session}_task-read_run-{run}"
                func = root / f"sub-{subject}/ses-{session}/func"
                unfetched(func / f"{stem}_bold.nii.gz", 1_000_000, 1)
                rows = [(10.0 * k, 5.0, images.format(4 * run + k) if images else f"one {stem} {k}") for k in range(4)]
                write_events(func / f"{stem}_events.tsv", rows, ("onset", "duration", "stimulus"))
        unfetched(root / f"sub-{subject}/ses-a/func/sub-{subject}_ses-a_task-rest_bold.nii.gz", 5_000_000, 2)
    return root


def fetched_by(check: FolderCheck, root: Path) -> set[str]:
    """Files without content that the command would fetch, with its patterns and folders as a shell expands them."""
    place, command = check.command.split(" && ")
    assert shlex.split(place) == ["cd", str(root)] and command.startswith("datalad get ")
    paths: set[Path] = set()
    for word in shlex.split(command)[2:]:
        for path in (root / name for name in glob.glob(word, root_dir=root)):
            paths |= {p for p in path.rglob("*") if p.is_symlink()} if path.is_dir() else {path}
    return {path.relative_to(root).as_posix() for path in paths if path.is_symlink() and not path.exists()}


def test_command_fetches_what_the_subject_needs_and_nothing_else(tmp_path: Path) -> None:
    root = make_clone(tmp_path / "a study")
    (check,) = folder_checks(str(root), "sub-02")
    wanted = {f"sub-02/ses-{s}/func/sub-02_ses-{s}_task-read_run-{r}_bold.nii.gz" for s in "ab" for r in (1, 2, 3)}
    assert set(check.to_fetch) == fetched_by(check, root) == wanted
    assert check.bytes_to_fetch == 6_000_000 and check.next_step == "Fetch what is not fetched, 6 MB."
    assert check.facts == (
        "sub-02: 6 runs of read.",
        "Events: 6 of 6 runs have them.",
        "Stimuli: 24 distinct texts from the column stimulus.",
        "BOLD: 6 not fetched (6 MB).",
    )
    assert folder_checks(str(root))[0].facts[0] == "sub-01: 6 runs of read; 1 further subject (--subject)."


def test_derivatives_beside_the_raw_folder_are_fetched_in_their_own(tmp_path: Path) -> None:
    raw, made = make_clone(tmp_path / "raw"), make_clone(tmp_path / "prep")
    for path in made.rglob("*_events.tsv"):
        path.unlink()
    (raw / "dataset_description.json").write_text('{"DatasetDOI": "doi:10.1/raw"}')
    (made / "dataset_description.json").write_text('{"SourceDatasets": [{"DOI": "10.1/raw"}]}')
    (check,) = folder_checks(f"{raw}:read", "sub-01")
    assert len(check.to_fetch) == 6 and check.bytes_to_fetch == 6_000_000
    assert check.command == f"cd {made} && datalad get sub-01/ses-*/func/sub-01_ses-*_task-read_run-*_bold.nii.gz"


def test_pattern_leaves_out_runs_of_another_form(tmp_path: Path) -> None:
    root = make_clone(tmp_path / "study")
    func = root / "sub-01/ses-b/func"
    unfetched(func / "sub-01_ses-b_task-read_run-9_bold.nii.gz", 1)  # without events, so of no use
    (check,) = folder_checks(str(root), "sub-01")
    assert check.next_step.startswith("Add sub-01_ses-b_task-read_run-9_events.tsv: 1 of 7 runs have no events.")
    assert not check.command and "6 MB that are not fetched are of no use" in check.next_step


def test_events_first_then_images_then_bold(tmp_path: Path) -> None:
    root = make_clone(tmp_path / "study", "set/p{:02d}.png")
    events = root / "sub-01/ses-a/func/sub-01_ses-a_task-read_run-1_events.tsv"
    rows, missing = events.read_text(), folder_checks(str(root))[0]
    assert missing.command == "" and "Put the 12 images that stimulus names below study/stimuli/" in missing.next_step
    assert "stimuli/set/p04.png. Before that the 6 MB that are not fetched are of no use." in missing.next_step
    for i in range(16):
        unfetched(root / f"stimuli/set/p{i:02d}.png", 1000, i)
    (check,) = folder_checks(str(root))
    assert "12 not fetched (12 kB)" in check.facts[2] and "6.01 MB, of which images 12 kB" in check.next_step
    assert "With stimuli/set come 4 kB of other files." in check.next_step
    assert set(check.to_fetch) < fetched_by(check, root) and check.bytes_to_fetch == 6_012_000
    assert len(fetched_by(check, root)) == 6 + 16
    for i in range(16, 19):
        unfetched(root / f"stimuli/set/p{i:02d}.png", 10**9, i)  # large: then only what is named is fetched
    (check,) = folder_checks(str(root))
    assert "--paths | xargs" in check.command and "--subject sub-01" in check.command
    unfetched(events, 300)
    (check,) = folder_checks(str(root))
    assert fetched_by(check, root) == {events.relative_to(root).as_posix()} and check.bytes_to_fetch == 300
    events.unlink()
    events.write_text(rows)
    (root / "sub-01/ses-a/func/sub-01_ses-a_task-read_run-2_events.tsv").write_text("")
    assert folder_checks(str(root))[0].next_step.startswith("Get 'sub-01/ses-a/func/sub-01_ses-a_task-read_run-2_ev")


def test_codes_sounds_and_no_events_come_before_bold(tmp_path: Path) -> None:
    codes = make_clone(tmp_path / "codes", "n0123456_{:04d}")
    (codes / "README").write_text("About.\n\nThe stimulus images are available at <https://example.org/p>. Thanks.\n")
    (check,) = folder_checks(str(codes))
    assert not check.command and "Put the 12 images that stimulus names below codes/stimuli/" in check.next_step
    assert 'README says: "The stimulus images are available at <https://example.org/p>."' in check.next_step
    sounds = make_clone(tmp_path / "sounds")
    for path in sounds.rglob("*_events.tsv"):
        write_events(path, [(0, 60, "story", "tale.wav")], ("onset", "duration", "trial_type", "stim_file"))
    (check,) = folder_checks(str(sounds))
    assert not check.command and "a row for each word" in check.next_step and "tale.wav" in check.next_step
    for path in sounds.rglob("*_events.tsv"):
        path.unlink()
    checks = {check.name.rpartition(":")[2]: check for check in folder_checks(str(sounds))}
    assert set(checks) == {"read", "rest"} and not checks["read"].command
    assert checks["read"].next_step.startswith("No run of read has events. Write sub-01_ses-a_task-read_run-1_events")
    (sounds / "dataset_description.json").write_text('{"DatasetType": "derivative"}')
    assert "Get the raw BIDS folder" in folder_checks(f"{sounds}:read")[0].next_step


def test_files_that_are_cut_short_are_named(tmp_path: Path) -> None:
    root = make_bids(tmp_path / "study")
    (check,) = folder_checks(str(root))
    assert check.next_step.startswith("All is here: python -m brivl fit") and "BOLD: 3 here" in check.facts[-1]
    bold = root / "sub-01/func/sub-01_task-view_run-02_bold.nii.gz"
    whole = bold.read_bytes()
    bold.write_bytes(whole[: len(whole) // 2])
    (check,) = folder_checks(str(root))
    assert "2 here" in check.facts[-1] and "1 cut short" in check.facts[-1]
    assert "unpacked bytes of 1,952" in check.next_step and bold.name in check.next_step
    plain = bold.with_name("x_bold.nii")
    plain.write_bytes(gzip.decompress(whole))
    assert file_state(root, plain.relative_to(root).as_posix()).state == "present"
    plain.write_bytes(gzip.decompress(whole)[:-3])
    assert file_state(root, plain.relative_to(root).as_posix()).note == "1,949 bytes of 1,952"
    head, rest = gzip.decompress(whole)[:900], gzip.decompress(whole)[900:]
    bold.write_bytes(gzip.compress(head) + gzip.compress(rest))  # several members, as parallel programs write them
    assert file_state(root, bold.relative_to(root).as_posix()).state == "present"
    for content, note in ((b"", "empty, 0 bytes"), (b"no gzip", "its header cannot be read")):
        bold.write_bytes(content)
        assert file_state(root, bold.relative_to(root).as_posix()).note == note


def test_command_line_list_and_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_clone(tmp_path / "study")
    assert main(["data", str(root), "--subject", "sub-02"]) == 0
    said = capsys.readouterr().out
    assert f"study: {root}:read" in said and "Next: Fetch what is not fetched, 6 MB." in said
    assert main(["data", f"{root}:read", "--paths"]) == 0
    assert capsys.readouterr().out.split() == list(folder_checks(str(root))[0].to_fetch)
    assert main(["data", str(tmp_path), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["checks"]
    assert found["bytes_to_fetch"] == 6_000_000 and found["files"][0]["state"] == "present"
    for words in (["data", str(tmp_path / "none")], ["data", str(root), "--subject", "sub-9"]):
        assert main(words) == 2
    with pytest.raises(DataError, match="Expected a folder, or FOLDER:TASK"):
        folder_checks("study")
    with pytest.raises(RequestError, match="Choose one of sub-01, sub-02"):
        folder_checks(str(root), "sub-9")
    monkeypatch.setenv("BRIVL_DATA", str(root))
    (report,) = [one for one in data_reports(Store(tmp_path / "cache")) if one.kind == "own"]
    assert report.fetched == "14 of 14 runs not fetched"
    at = open_page("data")
    assert not at.exception and report.fetched in html(at)
    at.toggle[0].set_value(True).run()
    assert any("datalad get" in code.value for code in at.code) and "Events: 6 of 6 runs have them." in html(at)


def test_plain_folder_says_what_is_wanting(tmp_path: Path) -> None:
    root = tmp_path / "plain"
    for part in ("features", "responses"):
        (root / part).mkdir(parents=True)
    np.save(root / "responses/s1.npy", np.ones((8, 3)))
    assert "Expected features/MODEL.npy" in folder_checks(str(root))[0].next_step
    np.save(root / "features/a.npy", np.ones((8, 2)))
    np.save(root / "run_onsets.npy", [0, 4])
    assert folder_checks(str(root))[0].next_step.startswith("All is here")
    (root / "responses/s1.npy").write_bytes((root / "responses/s1.npy").read_bytes()[:-8])
    (check,) = folder_checks(str(root))
    assert check.next_step.startswith("Get 1 files again, such as 'responses/s1.npy'")
    unfetched(root / "responses/s1.npy", 320)
    (check,) = folder_checks(str(root), "s1")
    assert check.command == f"cd {root} && datalad get responses/s1.npy" and check.bytes_to_fetch == 320


# What the owner of each folder needs next, and whether a command fetches it.
NINE = {
    "ds000001-fmriprep": ("Get the raw BIDS folder of the study", False),
    "ds000105": ("Fetch what is not fetched, 311 MB", True),
    "ds000113": ("No run of forrestgump has events", False),
    "ds000117": ("Fetch what is not fetched, 343 MB, of which images 9.4 MB", True),
    "ds001246": ("Put the 50 images that stimulus_name names below ds001246/stimuli/", False),
    "ds001499": ("Put the 368 images that stim_file names below ds001499/stimuli/", False),
    "ds002345": ("Write what is heard or seen into the events: a row for each word", False),
    "ds003020": ("Fetch what is not fetched, 189 MB", True),
    "ds004192": ("Put the 920 images that file_path names below ds004192/stimuli/", False),
}


def bytes_by_keys(folder: Path, task: str) -> int:
    """Bytes of the BOLD of a task and of the files in stimuli/ that its events name, by the links alone."""
    tables = " ".join(path.read_text() for path in folder.rglob(f"*task-{task}_*events.tsv"))
    links = [path for path in folder.rglob("*") if path.is_symlink() and not path.exists()]
    wanted = [p for p in links if f"task-{task}_" in p.name and p.name.endswith("_bold.nii.gz") or p.name in tables]
    return sum(int(re.search(r"-s(\d+)--", path.readlink().name)[1]) for path in wanted)


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not SKELETONS.is_file():
        pytest.skip("the slices of public folders are not on this machine")
    root = tmp_path_factory.mktemp("skeletons")
    with tarfile.open(SKELETONS) as archive:
        archive.extractall(root, filter="tar")  # links of git-annex lead out of what is unpacked, as in a clone
    return root / "sk"


@pytest.mark.parametrize("name", NINE)
def test_answers_on_nine_public_folders(nine: Path, name: str) -> None:
    step, is_fetched = NINE[name]
    checks = folder_checks(str(nine / name))
    assert step in checks[0].next_step and bool(checks[0].command) == is_fetched
    for check in checks:
        if check.command:
            assert set(check.to_fetch) <= fetched_by(check, nine / name)
            assert check.bytes_to_fetch == bytes_by_keys(nine / name, check.name.rpartition(":")[2])
    if name == "ds003020":  # localizers have events, stories have none
        assert [bool(check.command) for check in checks] == [True] * 4 + [False]
        assert "No run of alternateithicatom has events" in checks[4].next_step
