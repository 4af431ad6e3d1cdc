"""timm and transformers can be imported beside a CPU-only torch, and a torchvision that works is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DECLARE = "from brivl.models.torchvision_schemas import declare_torchvision_schemas as declare\ndeclare()\n"


def run(code: str, first_on_path: Path | None = None) -> str:
    """What a fresh Python prints, in which torchvision has not been imported yet."""
    path = os.pathsep.join(str(p) for p in (first_on_path, ROOT) if p is not None)
    words = [sys.executable, "-W", "error", "-c", code]
    ran = subprocess.run(words, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_after_declaring_torchvision_imports() -> None:
    code = f"{DECLARE}declare()\nimport torchvision, torch\nprint(hasattr(torch.ops.torchvision, 'nms'))"
    assert run(code) == "True"


def test_a_torchvision_that_works_is_left_alone(tmp_path: Path) -> None:
    """It declares its operators itself when it is imported, and would fail if they were there already."""
    package = tmp_path / "torchvision"
    package.mkdir()
    schema = "nms(Tensor x) -> Tensor"
    code = f"import torch\nlibrary = torch.library.Library('torchvision', 'DEF')\nlibrary.define('{schema}')\n"
    (package / "__init__.py").write_text(code)
    assert schema in run(f"{DECLARE}import torch\nprint(torch.ops.torchvision.nms.default._schema)", tmp_path)
