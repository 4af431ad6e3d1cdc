"""Atomic writes: the new file, the old file, or no file, and never a temporary one that stays."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from brivl.store.digests import cached_file_digest, file_digest
from brivl.store.writing import atomic_path, write_bytes


@pytest.mark.parametrize("flush", [False, True])
def test_a_file_replaces_the_old_one(tmp_path: Path, flush: bool) -> None:
    path = tmp_path / "a.txt"
    for content in (b"old", b"new"):
        write_bytes(path, content, flush)
        assert path.read_bytes() == content and os.listdir(tmp_path) == ["a.txt"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("flush", [False, True])
def test_a_folder_appears_when_it_is_complete(tmp_path: Path, flush: bool) -> None:
    with atomic_path(tmp_path / "folder", flush) as tmp_path_of_folder:
        (tmp_path_of_folder / "inner").mkdir(parents=True)
        (tmp_path_of_folder / "inner" / "a.txt").write_text("a")
        assert not (tmp_path / "folder").exists()
    assert os.listdir(tmp_path) == ["folder"] and (tmp_path / "folder" / "inner" / "a.txt").read_text() == "a"


@pytest.mark.parametrize("folder", [False, True])
def test_an_error_leaves_everything_as_it_was(tmp_path: Path, folder: bool) -> None:
    path = tmp_path / "a"
    write_bytes(path, b"old")
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
        if folder:
            temporary.mkdir()
            (temporary / "half").write_text("")
        else:
            temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a"]


def test_flushing_comes_before_the_new_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content is flushed, then renamed, then the name is flushed."""
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: calls.append("fsync") or fsync(descriptor))
    monkeypatch.setattr(os, "replace", lambda old, new: calls.append("replace") or replace(old, new))
    write_bytes(tmp_path / "a", b"content", flush=True)
    assert calls == ["fsync", "replace", "fsync"]
    write_bytes(tmp_path / "a", b"content")
    assert calls[3:] == ["replace"]


def test_a_file_is_hashed_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    first = cached_file_digest(path)
    with open(path, "rb") as file:
        assert first == file_digest(path) == file_digest(file)
    monkeypatch.setattr("hashlib.file_digest", lambda *_: pytest.fail("hashed again"))
    assert cached_file_digest(path) == first
    monkeypatch.undo()
    path.write_bytes(b"another")
    assert cached_file_digest(path) == file_digest(path) != first
