"""bench memory: a real fit in a process of its own, the line through several, and its picture."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brivl.bench import memory
from brivl.bench.memory import Shape, bench_memory, sweep_voxels
from brivl.bench.plot import voxel_cost_png
from brivl.commands.main import main
from brivl.errors import RequestError
from brivl.viz.style import FigureLabel


def test_one_fit_is_measured_in_its_own_process(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["bench", "memory", "--n", "96", "--width", "32", "--voxels", "2500", "--json"]
    assert main(asked) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["voxels"] == said["voxels_fitted"] == 2500 and said["n"] == 96 and said["batches_fitted"] == 1
    assert said["responses_gib"] == pytest.approx(4 * 2500 * (96 + 270) / 2**30, abs=1e-3)
    assert 0.05 < said["rss_before_gib"] <= said["peak_rss_gib"] < 4
    assert said["mean_r2"] > 0.003 and said["cpu_s"] > 0 and said["simulated"] is True


def test_the_line_is_the_one_that_costs_lie_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def planted(shape: Shape) -> dict:
        return asdict(shape) | {"cpu_s": 3 + 0.002 * shape.voxels, "peak_rss_gib": 0.5, "responses_gib": 0.1}

    monkeypatch.setattr(memory, "bench_memory", planted)
    found = sweep_voxels([4000, 1000, 2000, 4000], Shape(1))
    assert [fit["voxels"] for fit in found["fits"]] == [1000, 2000, 4000]
    assert (found["cpu_s_fixed"], found["cpu_s_per_1000_voxels"]) == (3.0, 2.0)
    assert found["largest_departure_from_line"] == 0
    plot = tmp_path / "cost.png"
    assert main(["bench", "memory", "--voxel-sweep", "1000,2000,4000", "--plot", str(plot)]) == 0
    with Image.open(plot) as image:
        assert image.format == "PNG" and min(image.size) > 300


def test_the_picture_shows_the_figures() -> None:
    fits = [{"voxels": v, "cpu_s": 1 + v / 1000, "peak_rss_gib": 0.5, "responses_gib": v / 1e5} for v in (1000, 9000)]
    label = FigureLabel("Cost", "", simulated=True)
    pictures = [voxel_cost_png(fits, line, label) for line in ((1.0, 1e-3), (1.0, 2e-3))]
    shown = [np.asarray(Image.open(io.BytesIO(picture)).convert("L"), int) for picture in pictures]
    assert shown[0].shape == shown[1].shape and (shown[0] != shown[1]).any()


@pytest.mark.parametrize("wrong", [Shape(0), Shape(5, n=10), Shape(5, width=8), Shape(5, batches=0)], ids=str)
def test_sizes_that_make_no_sense_are_refused(wrong: Shape) -> None:
    with pytest.raises(RequestError, match="at least 1 voxel"):
        bench_memory(wrong)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--voxel-sweep", "10,many"], "'10,many'"),
        (["--voxel-sweep", "10,20"], r"\[10, 20\]"),
        (["--voxel-sweep", "10,20,30", "--plot", "cost.pdf"], "'cost.pdf'"),
    ],
)
def test_wrong_arguments_end_in_a_sentence(arguments: list[str], said: str, capsys) -> None:
    assert main(["bench", "memory", *arguments]) == 2
    assert said.replace("\\", "") in capsys.readouterr().err
