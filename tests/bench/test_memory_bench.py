"""bench memory: a real fit in its own process, the line through several, and its figure."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brivl.bench import memory
from brivl.bench.memory import Shape, bench_memory, sweep_voxels, voxel_cost_png
from brivl.commands.main import main
from brivl.errors import RequestError
from brivl.viz.style import FigureLabel


def test_one_fit_is_measured_in_its_own_process(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "memory", "--n", "96", "--width", "32", "--voxels", "2500", "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert (
        measured["voxels"] == measured["voxels_fitted"] == 2500
        and measured["n"] == 96
        and measured["batches_fitted"] == 1
    )
    assert measured["responses_gib"] == pytest.approx(4 * 2500 * (96 + 270) / 2**30, abs=1e-3)
    assert 0.05 < measured["rss_before_gib"] <= measured["peak_rss_gib"] < 4
    assert measured["mean_r2"] > 0.003 and isinstance(measured["cpu_s"], float) and measured["simulated"] is True


def test_the_line_is_the_one_that_costs_lie_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def costs(shape: Shape) -> dict:
        return asdict(shape) | {"cpu_s": 3 + 0.002 * shape.voxels, "peak_rss_gib": 0.5, "responses_gib": 0.1}

    monkeypatch.setattr(memory, "bench_memory", costs)
    sweep = sweep_voxels([4000, 1000, 2000, 4000], Shape(1))
    assert [fit["voxels"] for fit in sweep["fits"]] == [1000, 2000, 4000]
    assert (sweep["cpu_s_fixed"], sweep["cpu_s_per_1000_voxels"]) == (3.0, 2.0)
    assert sweep["largest_departure_from_line"] == 0
    plot = tmp_path / "cost.png"
    assert main(["bench", "memory", "--voxel-sweep", "1000,2000,4000", "--plot", str(plot)]) == 0
    with Image.open(plot) as image:
        assert image.format == "PNG" and min(image.size) > 300


def test_the_figure_shows_the_numbers() -> None:
    fits = [{"voxels": v, "cpu_s": 1 + v / 1000, "peak_rss_gib": 0.5, "responses_gib": v / 1e5} for v in (1000, 9000)]
    label = FigureLabel("Cost", "", simulated=True)
    images = [voxel_cost_png(fits, line, label) for line in ((1.0, 1e-3), (1.0, 2e-3))]
    shown = [np.asarray(Image.open(io.BytesIO(image)).convert("L"), int) for image in images]
    assert shown[0].shape == shown[1].shape and (shown[0] != shown[1]).any()


@pytest.mark.parametrize("wrong", [Shape(0), Shape(5, n=10), Shape(5, width=8), Shape(5, batches=0)], ids=str)
def test_sizes_that_make_no_sense_are_refused(wrong: Shape) -> None:
    with pytest.raises(RequestError, match="at least 1 voxel"):
        bench_memory(wrong)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--voxel-sweep", "10,many"], "'10,many'"),
        (["--voxel-sweep", "10,20"], r"\[10, 20\]"),
        (["--voxel-sweep", "10,20,30", "--plot", "cost.pdf"], "'cost.pdf'"),
    ],
)
def test_wrong_arguments_end_in_a_sentence(arguments: list[str], sentence: str, capsys) -> None:
    assert main(["bench", "memory", *arguments]) == 2
    assert sentence.replace("\\", "") in capsys.readouterr().err
