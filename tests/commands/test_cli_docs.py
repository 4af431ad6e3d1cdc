"""docs/cli.md is what the parser says."""

from __future__ import annotations

from tests.cli_docs import FILE, cli_page


def test_the_page_of_the_command_line_is_made_from_the_parser() -> None:
    assert FILE.read_text(encoding="utf-8") == cli_page(), "run: python -m tests.cli_docs"
