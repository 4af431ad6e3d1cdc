"""Memory and time of fits of large responses, simulated in a file, each fit in its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brivl.config import PROJECT
from brivl.core.parallel import one_thread_per_call
from brivl.errors import BrivlError, Cancelled, RequestError
from brivl.store.digests import JSON

if TYPE_CHECKING:
    from brivl.viz.style import FigureLabel

N_TEST, TR, N_RUNS = 270, 2.0, 12
N_LATENT = 32  # dimensions of each band that determine the responses
STRIP_BYTES = 64 * 2**20
GIB = 2**30


@dataclass(frozen=True)
class Shape:
    """Size of one fit of two bands of features at four delays, as for a movie.

    Attributes
    ----------
    voxels : int
        Number of voxels.
    n : int
        Training samples.
    width : int
        Features of a band.
    batches : int | None
        Batches of voxels after which the fit is stopped; None to fit all voxels.
    """

    voxels: int
    n: int = 3600
    width: int = 768
    batches: int | None = None


def bench_memory(shape: Shape) -> dict[str, JSON]:
    """Measure one fit in its own process.

    Parameters
    ----------
    shape : Shape
        Size of the fit.

    Returns
    -------
    dict[str, JSON]
        Peak resident memory (VmHWM) in GiB, wall and processor seconds, and the size.

    Raises
    ------
    RequestError
        For impossible sizes.
    BrivlError
        Where the process fails.
    """
    if min(shape.voxels, shape.width - N_LATENT + 1, shape.n - 2 * N_RUNS + 1) < 1 or shape.batches == 0:
        raise RequestError(
            f"Expected at least 1 voxel, {2 * N_RUNS} samples, {N_LATENT} features and 1 batch, got {asdict(shape)!r}. "
            "Choose larger numbers."
        )
    with tempfile.TemporaryDirectory(prefix="brivl-bench-") as folder:
        _simulate(shape, Path(folder))
        command = [sys.executable, "-m", "brivl.bench.memory", folder]
        completed = subprocess.run(command, cwd=PROJECT, env=dict(os.environ), stdout=subprocess.PIPE, check=False)
        if completed.returncode:
            raise BrivlError(
                f"The process of the fit ended with code {completed.returncode}, perhaps for lack of memory. Choose "
                "fewer voxels."
            )
        return {"bench": "memory"} | asdict(shape) | json.loads(completed.stdout)


def sweep_voxels(voxels: Sequence[int], shape: Shape) -> dict[str, JSON]:
    """Measure fits of several numbers of voxels, and fit a straight line to their processor seconds.

    Parameters
    ----------
    voxels : Sequence[int]
        Numbers of voxels, at least three different ones.
    shape : Shape
        Size of the fits apart from voxels.

    Returns
    -------
    dict[str, JSON]
        The fits, and intercept and slope of the least-squares line.

    Raises
    ------
    RequestError
        For fewer than three numbers of voxels.
    """
    if len(set(voxels)) < 3:
        raise RequestError(
            f"Expected at least three different numbers of voxels for a line, got {list(voxels)!r}. Add others."
        )
    fits = [bench_memory(replace(shape, voxels=number)) for number in sorted(set(voxels))]
    x, y = (np.array([fit[name] for fit in fits], float) for name in ("voxels", "cpu_s"))
    slope, fixed = np.polyfit(x, y, 1)
    return {
        "bench": "memory",
        "n": shape.n,
        "width": shape.width,
        "fits": fits,
        "cpu_s_fixed": round(float(fixed), 2),
        "cpu_s_per_1000_voxels": round(1000 * float(slope), 4),
        "largest_departure_from_line": round(float(np.abs(y - fixed - slope * x).max() / y.max()), 4),
    }


@one_thread_per_call()
def _simulate(shape: Shape, folder: Path) -> None:
    """Features and responses (n + N_TEST, n_voxels), written a strip of rows at a time."""
    rng = np.random.default_rng(0)
    n_rows = shape.n + N_TEST
    scale = np.arange(1.0, shape.width + 1, dtype=np.float32) ** -0.5
    bands = [rng.standard_normal((n_rows, shape.width), np.float32) * scale for _ in range(2)]
    for name, X in zip("ab", bands, strict=True):
        np.save(folder / f"{name}.npy", X)
    latent = np.hstack([np.roll(X[:, :N_LATENT], 2, axis=0) for X in bands])
    readout = rng.standard_normal((2 * N_LATENT, shape.voxels), np.float32) * rng.uniform(0, 0.4, shape.voxels)
    Y = np.lib.format.open_memmap(folder / "Y.npy", "w+", np.float32, (n_rows, shape.voxels))
    n_strip = max(1, STRIP_BYTES // (4 * shape.voxels))
    for start in range(0, n_rows, n_strip):
        rows = latent[start : start + n_strip]
        Y[start : start + n_strip] = rows @ readout + rng.standard_normal((len(rows), shape.voxels), np.float32)
    (folder / "shape.json").write_text(json.dumps(asdict(shape)))


def _fit(folder: Path) -> dict[str, JSON]:
    """Fit the simulated data of a folder; times and peak memory of this process."""
    from brivl.core.encoding.encode import encode
    from brivl.core.encoding.presets import STRICT
    from brivl.core.records import Design, Responses, Voxels
    from brivl.data.formats.npy import response_columns

    shape = Shape(**json.loads((folder / "shape.json").read_text()))
    Xs = [np.load(folder / f"{name}.npy", allow_pickle=False) for name in "ab"]
    grid = Voxels("simulated", np.zeros((shape.voxels, 3), int), (1, 1, 1), None)
    responses = Responses(*response_columns(folder / "Y.npy", shape.n, N_TEST), grid)
    design = Design(TR, shape.n, N_TEST, np.arange(N_RUNS) * (shape.n // N_RUNS))
    checkpoints, before = _LimitedCheckpoints(folder, shape.batches), _memory("VmRSS")
    wall, cpu = time.monotonic(), time.process_time()
    try:
        scores = encode(Xs, responses, design, STRICT, None, checkpoints).r2_joint
    except Cancelled:
        scores = np.concatenate(checkpoints.joint)
    return {
        "batches_fitted": len(checkpoints.joint),
        "voxels_fitted": len(scores),
        "wall_s": round(time.monotonic() - wall, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
        "responses_gib": round(4 * shape.voxels * (shape.n + N_TEST) / GIB, 3),
        "rss_before_gib": round(before, 3),
        "peak_rss_gib": round(_memory("VmHWM"), 3),
        "mean_r2": round(float(np.nanmean(scores)), 5),
    }


class _LimitedCheckpoints:
    """Checkpoints as a fit of a dataset keeps them, which stop the fit after some batches."""

    def __init__(self, folder: Path, max_batches: int | None) -> None:
        from brivl.encoding.checkpoints import FitCheckpoints
        from brivl.store.artifacts import Store
        from brivl.store.keys import ArtifactKey

        self._checkpoints = FitCheckpoints(Store(folder / "store"), ArtifactKey("fit", {"bench": "memory"}))
        self._max_batches = max_batches
        self.joint: list[np.ndarray] = []

    @property
    def scratch(self) -> Path:
        return self._checkpoints.scratch

    def get(self, name: str) -> Mapping[str, np.ndarray] | None:
        return self._checkpoints.get(name)

    def put(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        self._checkpoints.put(name, arrays)
        if "joint" in arrays:
            self.joint.append(arrays["joint"])
        if self._max_batches is not None and len(self.joint) >= self._max_batches:
            raise Cancelled("The requested number of batches is fitted.")


def _memory(field: str) -> float:
    """GiB of a line of /proc/self/status."""
    status = Path("/proc/self/status")
    if not status.exists():
        raise RequestError("Expected /proc, from which peak memory is read, but this system has none. Run it on Linux.")
    line = next(line for line in status.read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024 / GIB


def voxel_cost_png(fits: Sequence[Mapping[str, JSON]], line: tuple[float, float], label: FigureLabel) -> bytes:
    """Draw processor seconds with their straight line, and peak memory, by number of voxels.

    Parameters
    ----------
    fits : Sequence[Mapping[str, JSON]]
        With voxels, cpu_s, peak_rss_gib and responses_gib.
    line : tuple[float, float]
        Fixed seconds, and seconds per voxel.
    label : FigureLabel
        Headline and notes.

    Returns
    -------
    bytes
        A PNG file.
    """
    # Imported here, since the process of a fit imports this module and its memory is measured.
    from brivl.viz.export import PAPER, figure_bytes, new_page, print_style
    from brivl.viz.style import JOINT, LIGHT, A, B

    voxels = np.array([fit["voxels"] for fit in fits]) / 1000
    with print_style(PAPER):
        figure = new_page(label, PAPER)
        seconds, memory = figure.subplots(1, 2)
        fixed, slope = line
        ends = np.array([0, voxels.max()])
        seconds.plot(ends, fixed + 1000 * slope * ends, color=LIGHT.muted, linewidth=1, label="straight line")
        seconds.plot(voxels, [fit["cpu_s"] for fit in fits], "o", color=JOINT, label="measured")
        seconds.set(ylabel="processor seconds", ylim=(0, None))
        memory.plot(voxels, [fit["peak_rss_gib"] for fit in fits], "o-", color=A, label="peak of the process")
        memory.plot(voxels, [fit["responses_gib"] for fit in fits], "s-", color=B, label="responses in their file")
        memory.set(ylabel="GiB", ylim=(0, None))
        for axes, corner in ((seconds, "upper left"), (memory, "center right")):
            axes.set(xlabel="thousand voxels", xlim=(0, None))
            axes.legend(loc=corner)
    return figure_bytes(figure, "png", dpi=150)


def main() -> int:
    """Fit the data of the folder named on the command line, and print a JSON object.

    Returns
    -------
    int
        The exit code.
    """
    try:
        print(json.dumps(_fit(Path(sys.argv[1]))))
    except BrivlError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
