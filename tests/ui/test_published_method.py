"""Every page of an analysis says how it differs from the published method, with links that lead somewhere."""

from __future__ import annotations

import importlib
import re

import pytest
from streamlit.testing.v1 import AppTest

from brivl.sharing.citations import BIB, short_reference
from brivl.ui.published_method import TITLE

PAGES = ("integration", "decoding", "voxel_captions", "drive", "transfer", "alignment", "generation")
WORKS = ("subramaniam2024", "oota2022")


@pytest.mark.parametrize("name", PAGES)
def test_every_page_names_what_it_differs_from_and_links_to_it(name: str) -> None:
    page = importlib.import_module(f"brivl.analyses.{name}.page").PAGE
    assert page.published and set(page.published) <= set(BIB)
    for key in page.published:
        named, address = short_reference(key)
        first_author, year = named.split(" ")[0], named[-5:-1]
        assert re.search(rf"{first_author} et al\. \(?{year}", page.differs)
        assert re.fullmatch(r"https://(doi\.org/10\.\S+|arxiv\.org/abs/\d{4}\.\d{5})", address)


def test_the_part_is_collapsed_and_links_to_works_and_to_the_whole_description() -> None:
    def script() -> None:
        from brivl.ui.published_method import published_method

        published_method("As in one work. Different: another.", ("subramaniam2024", "oota2022"), "integration")
        published_method("", (), "captioning")  # nothing is drawn

    at = AppTest.from_function(script).run()
    assert not at.exception
    (part,) = at.expander
    assert part.label == TITLE and not part.proto.expanded
    links = part.markdown[0].value
    assert all("[{}]({})".format(*short_reference(key)) in links for key in WORKS)
    assert "(/help?doc=integration)" in links


def test_references_without_an_address_are_named_all_the_same() -> None:
    assert short_reference("berger1982") == ("Berger (1982)", "")
    assert short_reference("benjamini1995")[0] == "Benjamini and Hochberg (1995)"
