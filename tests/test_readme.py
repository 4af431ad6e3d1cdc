"""What README and docs/ promise exists: targets, verbs, models, settings, files, and the example folder."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

from brivl.commands.app import flat
from brivl.commands.main import command_parser
from brivl.config import PROJECT
from brivl.data.phantoms.movie import SUBJECTS as MOVIE_SUBJECTS
from brivl.data.phantoms.sentences import SUBJECTS as SENTENCE_SUBJECTS
from brivl.data.registry import open_folder
from brivl.models.registry import SHIPPED

DOCS = [
    *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "ARCHITECTURE.md")),
    *sorted((PROJECT / "docs").rglob("*.md")),
    PROJECT / "brivl/weights/README.md",
]
TEXTS = {path.relative_to(PROJECT).as_posix(): path.read_text() for path in DOCS}
EVERYTHING = "\n".join(TEXTS.values()).replace("\\\n        ", "")  # commands of two lines
# A line of shell, or a verb within a sentence; "python -m brivl.train" is caught by its own pattern.
COMMANDS = sorted(set(re.findall(r"^    python -m brivl (.+)$", EVERYTHING, re.M)))
VERBS = sorted(set(re.findall(r"python -m brivl ([a-z][\w-]*)", EVERYTHING)))
FITS = [line for line in COMMANDS if line.startswith("fit ")]
LINKS = sorted({(name, link) for name, text in TEXTS.items() for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)})
SUBJECTS = {"phantom-movie": MOVIE_SUBJECTS, "phantom-sentences": SENTENCE_SUBJECTS}


def parsed(line: str) -> argparse.Namespace:
    return command_parser().parse_args(shlex.split(line, comments=True))


def imports(tree: ast.AST) -> set[str]:
    """Packages that a module imports, also within functions."""
    nodes = list(ast.walk(tree))
    whole = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return {name.partition(".")[0] for name in [*whole, *(n.module for n in nodes if isinstance(n, ast.ImportFrom))]}


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][\w-]*):(?!=)", (PROJECT / "Makefile").read_text(), re.M))


def test_the_two_commands_stand_at_the_top() -> None:
    top = TEXTS["README.md"].splitlines()[:12]
    assert [line.split()[1] for line in top if line.startswith("    make ")] == ["app", "test"]


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:`|^    |=\S+ )make ([a-z][\w-]*)", EVERYTHING, re.M))))
def test_every_make_target_exists(target: str) -> None:
    assert target in make_targets()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_exists(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        command_parser().parse_args([verb, "--help"])
    assert end.value.code == 0 and "usage:" in capsys.readouterr().out


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_understood(line: str) -> None:
    assert callable(parsed(line).run)


@pytest.mark.parametrize("line", [line for line in FITS if "my_data" not in line])
def test_fits_name_what_there_is(line: str) -> None:
    args = parsed(line)
    kind = "image" if "vit-mini" in args.models else "text"
    assert args.subject in SUBJECTS.get(args.dataset, ("sub-01", "S01"))  # BIDS, shortclips
    assert all(args.layer <= SHIPPED[model].n_layers[kind] for model in args.models.split(","))


@pytest.mark.parametrize("line", sorted(set(re.findall(r"python -m brivl\.train ([^`\n]+)", EVERYTHING))))
def test_every_training_command_is_understood(line: str) -> None:
    from brivl.train.__main__ import _parser as training_parser

    words = shlex.split(line, comments=True)
    assert training_parser().parse_args(words).model == words[0]


@pytest.mark.parametrize(("name", "link"), LINKS)
def test_every_link_leads_to_a_file(name: str, link: str) -> None:
    assert ((PROJECT / name).parent / link).is_file()


def test_every_setting_is_read() -> None:
    named = set(re.findall(r"BRIVL_[A-Z]+", EVERYTHING))
    assert named and all(setting in (PROJECT / "brivl/config.py").read_text() for setting in named)


def test_the_heading_that_errors_point_to_exists() -> None:
    assert "\n## Your own data\n" in TEXTS["README.md"]


def test_the_example_folder_is_a_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.search(r"```python\n(.*?)```", TEXTS["docs/own_data.md"], re.S)
    [line] = [line for line in FITS if "my_data" in line]
    args = parsed(line)
    monkeypatch.chdir(tmp_path)
    exec(compile(code[1], "own_data.md", "exec"), {})
    data = open_folder(args.dataset)
    assert args.models.split(",") == list(data.models) and args.subject in data.subjects
    assert data.design(args.subject).n_train == len(data.responses(args.subject).Y_train) == 160
    assert data.stimulus(args.subject).features["model_b"].shape == (160, 20)


def test_the_app_is_for_this_machine_and_asks_nothing_at_its_first_start() -> None:
    settings = tomllib.loads((PROJECT / ".streamlit/config.toml").read_text())
    assert settings["server"]["address"] == "127.0.0.1" and settings["server"]["showEmailPrompt"] is False
    assert settings["browser"]["gatherUsageStats"] is False
    flags = dict(flat(settings))
    assert flags["server.address"] == "127.0.0.1" and flags["server.enableXsrfProtection"] == "true"
    assert "-m brivl app --port $(PORT)" in (PROJECT / "Makefile").read_text()


def test_every_package_that_is_imported_is_pinned() -> None:
    files = [path for folder in ("brivl", "pages", "tests") for path in (PROJECT / folder).rglob("*.py")]
    imported = {name for path in files for name in imports(ast.parse(path.read_text()))}
    outside = imported - sys.stdlib_module_names - {"brivl", "pages", "tests", "_typeshed"}  # the last: types only
    pins = re.findall(r"^([\w-]+)==\S+", (PROJECT / "requirements.txt").read_text(), re.M)
    names = {
        "scikit-learn": "sklearn",
        "pillow": "PIL",
        "pycortex": "cortex",
        "faiss-cpu": "faiss",
        "pyyaml": "yaml",
        "python-pptx": "pptx",
    }
    assert outside <= {names.get(pin, pin).replace("-", "_") for pin in pins}


def test_every_requirement_is_pinned_with_torch_first() -> None:
    lines = [line for line in (PROJECT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    assert all(re.match(r"[\w-]+==[\w.]+(\s|$)", line) for line in lines)
    assert lines[0].startswith("torch==")
