"""`python -m tests.cli_docs` writes docs/cli.md from the parser; a test holds the file equal to it."""

from __future__ import annotations

import argparse
from pathlib import Path

from brivl.commands.main import command_parser

FILE = Path(__file__).parents[1] / "docs" / "cli.md"
HEAD = """# Command line

`brivl VERB ...` after `pip install .`, or `python -m brivl VERB ...` in a checkout (`. .venv/bin/activate` first).
Every verb that computes prints a text, or one JSON object with `--json`; results are kept under the folder of
`--cache`. This page is made from the parser by `python -m tests.cli_docs`.
"""


def cli_page() -> str:
    """All verbs with their options."""
    parser = command_parser()
    verbs = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    aliases: dict[int, list[str]] = {}
    for name, one in verbs.choices.items():
        aliases.setdefault(id(one), []).append(name)
    helps = {choice.dest.partition(" ")[0]: choice.help or "" for choice in verbs._choices_actions}
    sections = [_section(names, verbs.choices[names[0]], helps.get(names[0], "")) for names in aliases.values()]
    return "\n".join([HEAD, *sections])


def _section(names: list[str], parser: argparse.ArgumentParser, about: str) -> str:
    earlier = f" (earlier: `{'`, `'.join(names[1:])}`)" if len(names) > 1 else ""
    lines = [f"## {names[0]}", "", f"{about[:1].upper()}{about[1:]}.{earlier}".replace("..", "."), ""]
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        if isinstance(action, argparse._SubParsersAction):
            lines += [f"- `{name}`: {_help(one, action.choices[name])}" for name, one in _inner(action)]
            continue
        name = ", ".join(f"`{flag}`" for flag in action.option_strings) or f"`{(action.metavar or action.dest)}`"
        lines.append(f"- {name}: {_help(action, parser)}")
    return "\n".join([*lines, ""])


def _inner(action: argparse._SubParsersAction) -> list[tuple[str, argparse.Action]]:
    return [(choice.dest.partition(" ")[0], choice) for choice in action._choices_actions]


def _help(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    text = (action.help or "") % {**vars(action), "prog": parser.prog}
    return " ".join(text.split())


if __name__ == "__main__":
    FILE.write_text(cli_page(), encoding="utf-8")
