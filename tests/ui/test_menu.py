"""What a collection after each run of a page has to look through."""

from __future__ import annotations

import gc
import sys
import types
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from brivl.ui import menu


@pytest.fixture(autouse=True)
def thawed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(menu, "_n_modules", 0)
    gc.unfreeze()
    yield
    gc.unfreeze()


class Circle:
    def __init__(self) -> None:
        self.own = self


def is_looked_at(thing: object) -> bool:
    return any(each is thing for each in gc.get_objects())


def test_what_modules_brought_is_set_aside_and_later_circles_are_still_collected() -> None:
    old = Circle()
    menu.freeze_imported_modules()
    assert not is_looked_at(old) and gc.get_freeze_count() > 10_000
    young = Circle()
    gone = weakref.ref(young)
    assert is_looked_at(young)
    del young
    gc.collect()
    assert gone() is None


def test_objects_are_set_aside_only_when_modules_have_come(monkeypatch: pytest.MonkeyPatch) -> None:
    menu.freeze_imported_modules()
    young = Circle()
    menu.freeze_imported_modules()
    assert is_looked_at(young)
    monkeypatch.setitem(sys.modules, "brivl_came_later", types.ModuleType("brivl_came_later"))
    menu.freeze_imported_modules()
    assert not is_looked_at(young)


def test_a_new_page_joins_the_menu_by_its_first_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(menu, "APP_FILES", tmp_path)
    (tmp_path / "pages").mkdir()
    for name, title in (("layers", "Layers"), ("reliability", "Reliability")):
        (tmp_path / "pages" / f"{name}.py").write_text(f'"""{title}: what it shows."""\n')
    assert menu.further_pages({"layers"}) == {"reliability": "Reliability"}
