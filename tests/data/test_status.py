"""What there is of each dataset: whole, missing, not fetched or cut short; and fetching it from a source nearby."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from brivl.commands.main import main
from brivl.config import cache_dir
from brivl.data import download
from brivl.data.download import commands_to_copy, download_request, download_task, get_command
from brivl.data.formats.file_state import file_state, has_checksum
from brivl.data.registry import published_datasets
from brivl.data.status import DataReport, data_reports
from brivl.errors import DataError, RequestError
from brivl.store.artifacts import Store
from brivl.ui import cached
from tests.support.app_driver import button, fresh_server, headline, html, open_page  # noqa: F401 (a fixture)
from tests.support.pereira_fixture import make_brain, write_subject

FILE = "responses/S01_responses.hdf"
# A source that hands out files of a folder, as datalad would: pointers first, contents one by one. It fails for files
# that are named in the folder's `lost`, and from the sibling "wasabi" for those in `slow`.
FAKE = """#!{python}
import shutil, sys
from pathlib import Path
words = sys.argv[1:]
if words[0] == "install":
    source, folder = Path(words[2]), Path(words[3])
    shutil.copytree(source / "pointers", folder, symlinks=True)
    (folder / ".git").mkdir()
    (folder / ".git" / "source").write_text(str(source))
else:
    folder, sibling, path = Path(words[2]), words[4], Path(words[5])
    source, name = Path((folder / ".git/source").read_text()), path.relative_to(folder)
    with (source / "log").open("a") as log:
        print(sibling, name, file=log)
    bad = (source / "lost").read_text().split() + ((source / "slow").read_text().split() if sibling == "wasabi" else [])
    if str(name) in bad:
        sys.exit("the server has no such content")
    target = path.parent / path.readlink()
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source / "contents" / name, target)
"""


def hdf5(n: int) -> bytes:
    """A superblock of HDF5 that says how long the file is, and the rest of it."""
    head = b"\x89HDF\r\n\x1a\n" + bytes([2, 8, 8, 0]) + np.array([0, 0, n, 0], "<u8").tobytes()
    return head.ljust(n, b"\1")


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fake source with all files of shortclips, and programs called datalad and git-annex that know it."""
    root, programs = tmp_path / "source", tmp_path / "programs"
    for i, name in enumerate(published_datasets()["shortclips"].expected_files(tmp_path)):
        content = hdf5(200 + i)
        key = f"MD5E-s{len(content)}--{hashlib.md5(content).hexdigest()}.hdf"
        (root / "contents" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "contents" / name).write_bytes(content)
        link = root / "pointers" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"../.git/annex/objects/{i}/{key}/{key}")
    (root / "lost").touch()
    (root / "slow").touch()
    programs.mkdir()
    for program in download.PROGRAMS:
        (programs / program).write_text(FAKE.format(python=sys.executable))
        (programs / program).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return root


def request(source: Path, folder: Path) -> dict:
    return download_request("shortclips", folder, published_datasets()["shortclips"].expected_files(folder)) | {
        "source": str(source)
    }


def quiet(_done: float, _total: float, _message: str) -> None: ...


def report_of(name: str) -> DataReport:
    return next(r for r in data_reports(Store(cache_dir())) if r.name == name)


def test_a_download_ends_whole_and_goes_on_where_it_ended(source: Path, tmp_path: Path) -> None:
    folder, seen = tmp_path / "data" / "shortclips", []
    names = published_datasets()["shortclips"].expected_files(folder)
    (source / "lost").write_text(names[3])
    (source / "slow").write_text(names[1])
    with pytest.raises(DataError, match="no such content.*files that are complete are kept"):
        download_task(request(source, folder), quiet)
    assert [file_state(folder, name).state for name in names[:5]] == ["present"] * 3 + ["not fetched"] * 2
    (source / "lost").write_text("")
    (source / "log").write_text("")
    ended = download_task(request(source, folder), lambda *line: seen.append(line))
    assert ended == {"fetched": len(names) - 3, "n_files": len(names)}
    asked = (source / "log").read_text().split("\n")
    assert not any(name in line for name in names[:3] for line in asked)
    assert all(has_checksum(folder / name) for name in names)
    done = [line[0] for line in seen]
    assert done == sorted(done) and done[-1] == seen[-1][1] == len(names)


def test_what_is_cut_short_not_fetched_or_changed_is_named(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "shortclips"
    download_task(request(source, folder), quiet)
    target = (folder / FILE).resolve()
    whole = target.read_bytes()
    target.write_bytes(whole[:-1])
    short = file_state(folder, FILE)
    assert (short.state, short.size, short.published) == ("truncated", len(whole) - 1, len(whole))
    assert short.checksum == "md5"
    target.write_bytes(whole[:-1] + b"\2")
    assert file_state(folder, FILE).state == "present" and has_checksum(folder / FILE) is False
    target.unlink()
    assert file_state(folder, FILE).state == "not fetched"
    (folder / FILE).unlink()
    assert file_state(folder, FILE).state == "missing"
    (folder / FILE).write_text(f"/annex/objects/MD5E-s77--{'a' * 32}.hdf\n")  # of a repository without links
    pointer = file_state(folder, FILE)
    assert (pointer.state, pointer.published, pointer.checksum) == ("not fetched", 77, "md5")
    (folder / FILE).write_bytes(hdf5(500)[:400])
    assert file_state(folder, FILE).note == "400 bytes of 500"
    (folder / FILE).write_bytes(hdf5(500))
    assert file_state(folder, FILE).state == "present" and has_checksum(folder / FILE) is None


def test_commands(tmp_path: Path) -> None:
    folder = tmp_path / "my data"
    assert commands_to_copy("shortclips", folder, [FILE]) == [
        f"git clone https://gin.g-node.org/gallantlab/shortclips '{folder}'",
        f"cd '{folder}'",
        f"git annex get {FILE} --from wasabi",
    ]
    assert get_command(Path("/d"), FILE, "origin") == ["datalad", "get", "-d", "/d", "-s", "origin", f"/d/{FILE}"]
    lines = commands_to_copy("pereira2018", folder, ["P01/a.mat", "P01/b.mat", "M02/a.mat"])
    assert lines[0].startswith("# Download P01.tar, M02.tar from ") and lines[-1] == "tar -xf M02.tar"


def test_what_cannot_be_downloaded_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RequestError, match="datalad and git-annex"):
        download_task(download_request("shortclips", tmp_path / "x", [FILE]), quiet)
    with pytest.raises(RequestError, match="pereira2018"):
        download_task(download_request("pereira2018", tmp_path / "x", []), quiet)


def test_foreign_folders_and_files_are_left_alone(source: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(DataError, match="with other files"):
        download_task(request(source, tmp_path / "mine"), quiet)
    with pytest.raises(RequestError, match="secret"):
        download_task(request(source, tmp_path / "y") | {"files": ["../secret"]}, quiet)


def test_pereira_with_a_cut_file_and_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "data" / "pereira2018"
    for subject in ("P01", "M04"):
        path = write_subject(root, subject, np.ones((4, 12)), make_brain(12), "B")
    path.write_bytes(path.read_bytes()[:-200])
    (root / "M02.tar").write_bytes(b"x")
    monkeypatch.setenv("BRIVL_DATA", str(tmp_path / "data"))
    report = report_of("pereira2018")
    states = {file.name: file.state for file in report.files}
    assert states["P01/data_384sentences.mat"] == "present" and states["M04/data_384sentences.mat"] == "truncated"
    assert states["M02/examples_384sentences.mat"] == "archive" and report.counts["missing"] == 10
    assert report.folder == str(root) and "tar -xf M02.tar" in report.commands and not report.downloadable
    assert "M02" not in report.commands[0] and "M03" in report.commands[0]
    assert [r.name for r in data_reports(Store(cache_dir())) if r.kind == "own"] == []


def test_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    write_subject(tmp_path / "pereira2018", "P01", np.ones((4, 12)), make_brain(12))
    monkeypatch.setenv("BRIVL_DATA", str(tmp_path))
    assert main(["data", "--json", "--verify"]) == 0
    found = {r["name"]: r for r in json.loads(capsys.readouterr().out)["datasets"]}
    assert found["shortclips"]["counts"] == {"missing": 23} and found["phantom-movie"]["kind"] == "simulated"
    assert found["pereira2018"]["checksums"] == {"P01/examples_384sentences.mat": None}
    assert main(["data"]) == 0
    said = capsys.readouterr().out
    assert "1 present, 13 missing" in said and "git annex get" in said and "doi:10.12751" in said


def test_page_shows_states_and_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_subject(tmp_path / "pereira2018", "P01", np.ones((4, 12)), make_brain(12))
    monkeypatch.setenv("BRIVL_DATA", str(tmp_path))
    monkeypatch.setattr("brivl.data.status.can_download", lambda: False)
    at = open_page("data")
    assert not at.exception and not at.error
    assert "Published datasets: 0 of 3 installed · Your datasets: 0" in headline(at)
    published = [report.title for report in cached.reports() if report.kind == "published"]
    titles = [subheader.value for subheader in at.subheader]
    assert titles.index(published[1]) == 0, "what is here in part stands first, what is missing last"
    assert set(titles[-2:]) < set(published)
    assert "hemispheres are unlabelled" in html(at) and "access on request" in html(at)
    assert "5 subjects, image stimuli. Simulated with the first fit" in html(at) and "Licence: BSD-3-Clause" in html(at)
    assert "not a measurement of any brain" not in html(at)
    assert "13 missing" in html(at) and "no affine" in html(at) and "SIMULATED" in html(at)
    assert any("git annex get" in code.value for code in at.code)


def test_page_starts_a_download_where_datalad_is(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIVL_DATA", str(tmp_path / "data"))
    at = open_page("data")
    button(at, "Download 23 files").click().run()
    assert not at.exception and button(at, "Cancel")
    button(at, "Cancel").click().run()
    assert not at.exception and button(at, "Download 23 files")
