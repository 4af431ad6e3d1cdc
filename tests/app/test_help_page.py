"""The page Help shows every document, leads from one to the other, and opens no other file."""

from __future__ import annotations

import re

import pytest

from brivl.app import help
from tests.support.app_driver import fresh_server, headline, open_page  # noqa: F401 (a fixture)


@pytest.mark.parametrize("name", ["tour", "howto/own_bold", "viewer", "sharing"])
def test_a_document_is_shown_under_its_title(name: str) -> None:
    at = open_page("help", doc=name)
    assert not at.exception and not at.error
    path = help.documents()[name]
    assert help.title_of(path) in headline(at)
    shown = "\n".join(m.value for m in at.markdown)
    plain = [line for line in path.read_text().splitlines()[1:] if line and "[" not in line]
    assert all(line in shown for line in plain)


@pytest.mark.parametrize("name", ["", "nobody", "../README", "/etc/passwd", "howto/../../README", "<img src=x>"])
def test_nonsense_in_the_address_shows_the_tour(name: str) -> None:
    at = open_page("help", doc=name)
    assert not at.exception and "Five minutes" in headline(at)


def test_links_lead_to_documents_that_there_are() -> None:
    for name, path in help.documents().items():
        for _, link in help.LINK.findall(path.read_text()):
            assert (path.parent / link).is_file(), f"{name}: {link}"
    shown = help._linked("see [own data](../own_data.md) and [README](../../README.md)", "howto/own_bold")
    assert shown == "see [own data](/help?doc=own_data) and README"


def test_every_guide_is_short_and_in_the_menu() -> None:
    guides = [name for name in help.documents() if name.startswith("howto/")]
    assert guides == [f"howto/{name}" for name in ("citing", "cluster", "full_size", "own_bold", "own_model")]
    assert all(len(help.documents()[name].read_text().split()) < 350 for name in guides)
    assert list(help.documents())[0] == "tour"


def test_pictures_are_there_and_small() -> None:
    tour = help.documents()["tour"]
    pictures = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", tour.read_text())
    assert len(pictures) >= 4
    for words, address in pictures:
        assert len(words) > 10 and 0 < (tour.parent / address).stat().st_size < 150_000
