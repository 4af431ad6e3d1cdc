"""Looking up a stored answer must not cost an import of torch: the page server does nothing else."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "transformers", "timm", "torchvision", "himalaya", "cortex", "nilearn", "streamlit", "matplotlib")


def look_up_fit(dataset: str, models: tuple[str, str], subject: str, store: str) -> None:
    """Look up a fit; run in a process of its own."""
    from pathlib import Path

    from brivl.encoding.fit import FitRequest, stored_fit
    from brivl.store.artifacts import Store

    assert stored_fit(Store(Path(store)), FitRequest(dataset, models, 3, subject)) is None


def look_up_aligned(store: str) -> None:
    """Look up a text-aligned encoder whose descriptions come from a model; run in a process of its own."""
    from pathlib import Path

    from brivl.analyses.alignment.analysis import ALIGNMENT
    from brivl.analyses.alignment.request import AlignmentRequest
    from brivl.analysis import stored
    from brivl.store.artifacts import Store

    request = AlignmentRequest("phantom-categories", "C01", descriptions="Salesforce/blip-image-captioning-base")
    assert stored(ALIGNMENT, Store(Path(store)), request) is None


def call(function: Callable[..., None], *arguments: object) -> str:
    """Source code that defines a function of this file and calls it."""
    source = inspect.getsource(function)
    return f"from __future__ import annotations\n{source}\n{function.__name__}(*{arguments!r})"


def heavy_after(code: str, tmp_path: Path) -> list[str]:
    """Heavy packages that a fresh Python holds after running the code."""
    report = f"import json, sys\nprint(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    env = os.environ | {"BRIVL_CACHE": str(tmp_path / "cache")}
    ran = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], cwd=ROOT, env=env, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "modules",
    [
        ("brivl", "brivl.models.registry", "brivl.encoding.fit", "brivl.tasks.registry", "brivl.jobs.queue"),
        ("brivl.commands.main",),
    ],
    ids=["page server", "command line"],
)
def test_imports_are_light(modules: tuple[str, ...], tmp_path: Path) -> None:
    assert heavy_after("\n".join(f"import {name}" for name in modules), tmp_path) == []


@pytest.mark.parametrize(
    ("dataset", "models", "subject"),
    [
        ("phantom-movie:120/20", ("brivl-mini", "vit-mini"), "S01"),
        ("phantom-sentences", ("brivl-mini", "minilm-l6"), "P01"),
    ],
)
def test_looking_up_a_fit_is_light(dataset: str, models: tuple[str, str], subject: str, tmp_path: Path) -> None:
    """The whole key is made (weights, data, preset), and still no model code is imported and nothing is built."""
    assert heavy_after(call(look_up_fit, dataset, models, subject, str(tmp_path / "store")), tmp_path) == []
    assert not (tmp_path / "store").exists()


def test_a_heavy_import_would_be_seen(tmp_path: Path) -> None:
    assert heavy_after("import brivl.core.encoding.banded_ridge", tmp_path)[0:1] != []


def test_looking_up_a_text_aligned_encoder_is_light(tmp_path: Path) -> None:
    """Also where a model describes the pictures, which is not loaded for its name."""
    assert heavy_after(call(look_up_aligned, str(tmp_path / "store")), tmp_path) == []
