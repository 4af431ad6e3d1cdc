"""Memory and time of fits of large responses: simulated ones in a file, each fitted in a process of its own."""

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
from typing import Any

import numpy as np

from brivl.config import PROJECT
from brivl.errors import BrivlError, Cancelled, RequestError

N_TEST, TR, N_RUNS = 270, 2.0, 12
N_LATENT = 32  # dimensions of each band that responses are made from
STRIP_BYTES = 64 * 2**20
GIB = 2**30


@dataclass(frozen=True)
class Shape:
    """Size of one fit: two bands of features at four delays, as for a movie."""

    voxels: int
    n: int = 3600  # training samples
    width: int = 768  # features of a band
    batches: int | None = None  # stop after so many batches of voxels; None: fit all


def bench_memory(shape: Shape) -> dict[str, Any]:
    """Peak resident memory (VmHWM), wall and processor seconds of one fit in a process of its own.

    Raises RequestError for sizes that make no sense, BrivlError where the process fails.
    """
    if min(shape.voxels, shape.width - N_LATENT + 1, shape.n - 2 * N_RUNS + 1) < 1 or shape.batches == 0:
        raise RequestError(
            f"Wanted at least 1 voxel, {2 * N_RUNS} samples and {N_LATENT} features; got {asdict(shape)!r}."
        )
    with tempfile.TemporaryDirectory(prefix="brivl-bench-") as folder:
        _simulate(shape, Path(folder))
        command = [sys.executable, "-m", "brivl.bench.memory", folder]
        ran = subprocess.run(command, cwd=PROJECT, env=dict(os.environ), stdout=subprocess.PIPE, check=False)
        if ran.returncode:
            raise BrivlError(f"The process that fits ended with code {ran.returncode}; it may have lacked memory.")
        return {"bench": "memory"} | asdict(shape) | json.loads(ran.stdout)


def sweep_voxels(voxels: Sequence[int], shape: Shape) -> dict[str, Any]:
    """The same for several numbers of voxels, and the straight line through processor seconds by least squares."""
    if len(set(voxels)) < 3:
        raise RequestError(f"Wanted at least three different numbers of voxels for a line; got {list(voxels)!r}.")
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


def _simulate(shape: Shape, folder: Path) -> None:
    """Features and responses (n + N_TEST, n_voxels), written a strip of rows at a time."""
    rng = np.random.default_rng(0)
    n_rows = shape.n + N_TEST
    falling = np.arange(1.0, shape.width + 1, dtype=np.float32) ** -0.5
    bands = [rng.standard_normal((n_rows, shape.width), np.float32) * falling for _ in range(2)]
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


def _fit(folder: Path) -> dict[str, Any]:
    """Fit what lies in a folder; this process' peak memory and what it took."""
    from brivl.core.encoding.encode import encode
    from brivl.core.encoding.presets import STRICT
    from brivl.core.records import Design, Responses, Voxels
    from brivl.data.formats.npy import response_columns

    shape = Shape(**json.loads((folder / "shape.json").read_text()))
    Xs = [np.load(folder / f"{name}.npy", allow_pickle=False) for name in "ab"]
    places = Voxels("simulated", np.zeros((shape.voxels, 3), int), (1, 1, 1), None)
    responses = Responses(*response_columns(folder / "Y.npy", shape.n, N_TEST), places)
    design = Design(TR, shape.n, N_TEST, np.arange(N_RUNS) * (shape.n // N_RUNS))
    parts, before = _CountedParts(folder, shape.batches), _memory("VmRSS")
    wall, cpu = time.monotonic(), time.process_time()
    try:
        scores = encode(Xs, responses, design, STRICT, None, parts).r2_joint
    except Cancelled:
        scores = np.concatenate(parts.joint)
    return {
        "batches_fitted": len(parts.joint),
        "voxels_fitted": len(scores),
        "wall_s": round(time.monotonic() - wall, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
        "responses_gib": round(4 * shape.voxels * (shape.n + N_TEST) / GIB, 3),
        "rss_before_gib": round(before, 3),
        "peak_rss_gib": round(_memory("VmHWM"), 3),
        "mean_r2": round(float(np.nanmean(scores)), 5),
    }


class _CountedParts:
    """Parts kept as a fit of a dataset keeps them; stops the fit after so many batches."""

    def __init__(self, folder: Path, most: int | None) -> None:
        from brivl.encoding.checkpoints import FitCheckpoints
        from brivl.store.artifacts import Store
        from brivl.store.keys import ArtifactKey

        self._parts, self._most = FitCheckpoints(Store(folder / "store"), ArtifactKey("fit", {"bench": "memory"})), most
        self.scratch, self.joint = self._parts.scratch, []

    def get(self, name: str) -> Mapping[str, np.ndarray] | None:
        return self._parts.get(name)

    def put(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        self._parts.put(name, arrays)
        if "joint" in arrays:
            self.joint.append(arrays["joint"])
        if self._most is not None and len(self.joint) >= self._most:
            raise Cancelled("as many batches as asked for")


def _memory(field: str) -> float:
    """GiB of a line of /proc/self/status. RequestError where the system has none."""
    status = Path("/proc/self/status")
    if not status.exists():
        raise RequestError("Peak memory is read from /proc, which this system does not have; run it on Linux.")
    line = next(line for line in status.read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024 / GIB


def main() -> int:
    """Fit what lies in the folder named on the command line and print a JSON object."""
    try:
        print(json.dumps(_fit(Path(sys.argv[1]))))
    except BrivlError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
