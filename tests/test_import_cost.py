"""Looking up a cached answer must not cost an import of torch: the page server does nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "transformers", "timm", "torchvision", "himalaya", "cortex", "nilearn", "streamlit", "matplotlib")
LOOK_UP = """
from brivl.encoding.fit import FitRequest, is_cached
from brivl.store.artifacts import Store
request = FitRequest({dataset!r}, {models!r}, 3, {subject!r})
assert not is_cached(Store({store!r}), request)
"""


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
    ids=["backend", "command line"],
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
    code = LOOK_UP.format(dataset=dataset, models=models, subject=subject, store=tmp_path / "store")
    assert heavy_after(code.replace("PosixPath", "__import__('pathlib').Path"), tmp_path) == []
    assert not (tmp_path / "store").exists()


def test_a_heavy_import_would_be_seen(tmp_path: Path) -> None:
    assert heavy_after("import brivl.core.encoding.banded_ridge", tmp_path)[0:1] != []


def test_looking_up_a_text_aligned_encoder_is_light(tmp_path: Path) -> None:
    """Also where a model describes the pictures, which is not loaded for its name."""
    code = f"""
from pathlib import Path
from brivl.analyses.alignment.result import known_aligned
from brivl.analyses.alignment.request import AlignedAsked
from brivl.store.artifacts import Store
asked = AlignedAsked("phantom-categories", "C01", descriptions="Salesforce/blip-image-captioning-base")
assert known_aligned(Store(Path({str(tmp_path / "store")!r})), asked) is None
"""
    assert heavy_after(code, tmp_path) == []
