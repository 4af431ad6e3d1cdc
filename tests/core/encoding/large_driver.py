"""A process that fits a plain folder batch by batch in children of its own, some of which are killed; prints JSON.

Children are forked, so that libraries are imported once; each is a process of its own all the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from brivl.core.encoding import batches, encode  # noqa: F401 (children find it imported)
from brivl.core.progress import FractionCallback, ProgressCallback
from brivl.data.plain import loader
from brivl.encoding import fit as fitting
from brivl.encoding.checkpoints import KIND
from brivl.encoding.fit import FitRequest, fit
from brivl.store.artifacts import Store

N_TRAIN, N_TEST, N_VOXELS, LAYER = 96, 24, 3300, 1
KILLED = ("while voxels are selected", "while scores are learnt", "in the second batch", "in the third batch")


def make_dataset(folder: Path, n_train: int, n_test: int, n_voxels: int) -> None:
    """Two feature spaces, responses to the first; written a strip of rows at a time."""
    rng = np.random.default_rng(0)
    (folder / "features").mkdir(parents=True)
    (folder / "responses").mkdir()
    signal_, other = rng.standard_normal((2, n_train + n_test, 12)).astype(np.float32)
    np.save(folder / "features" / "signal.npy", signal_)
    np.save(folder / "features" / "other.npy", other)
    np.save(folder / "run_onsets.npy", np.arange(4) * (n_train // 4))
    readout = rng.standard_normal((12, n_voxels), np.float32)
    path = folder / "responses" / "A.npy"
    Y = np.lib.format.open_memmap(path, "w+", np.float32, (n_train + n_test, n_voxels))
    for row in range(len(Y)):
        Y[row] = signal_[row] @ readout + 4 * rng.standard_normal(n_voxels, np.float32)
    (folder / "dataset.json").write_text(json.dumps({"n_test": n_test, "simulated": True}))


def request(folder: Path, models: tuple[str, str] = ("other", "signal")) -> FitRequest:
    return FitRequest(str(folder), models, LAYER, "A")


def in_child(work: Callable[[], object]) -> dict:
    """End of a forked child: its result as JSON, or the signal that ended it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with os.fdopen(writing, "w") as pipe:
            json.dump(work(), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        printed = pipe.read()
    status = os.waitpid(child, 0)[1]
    return {"signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, "result": json.loads(printed or "null")}


def fitted(store: Store, fit_request: FitRequest, progress: ProgressCallback = lambda *_: None) -> dict:
    """Digest of all scores of a fit, and how many batches it fitted itself."""
    own: list[int] = []
    fit_batch = batches.BatchedRidge.fit

    def counted(self: batches.BatchedRidge, Y: np.ndarray, report: FractionCallback, *single: bool) -> object:
        own.append(Y.shape[1])
        return fit_batch(self, Y, report, *single)

    batches.BatchedRidge.fit = counted
    answer = fit(store, fit_request, progress)
    arrays = [answer.result.r2_joint, answer.result.r2_split, answer.result.band_weights]
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
    return {
        "digest": digest,
        "fitted": own,
        "checkpoints": n_checkpoints(store),
        "mean_r2": float(np.nanmean(arrays[0])),
    }


def n_checkpoints(store: Store) -> int:
    return len(store.list(KIND))


def dying(at: float) -> ProgressCallback:
    """ProgressCallback that ends this process with SIGKILL when a fraction is done."""

    def report(done: float, total: float, message: str) -> None:
        if message.startswith("Fitting layer ") and total > 1 and done >= at * total:
            os.kill(os.getpid(), signal.SIGKILL)

    return report


def resume(folder: Path) -> dict:
    """Fit without interruption; with several; and die when all is stored but the checkpoints are not yet deleted."""
    make_dataset(folder / "data", N_TRAIN, N_TEST, N_VOXELS)
    batches.BATCH_BYTES, loader.LARGE_BYTES = 4 * (N_TRAIN + N_TEST) * 1000, 0
    fit_request = request(folder / "data")
    uninterrupted = in_child(lambda: fitted(Store(folder / "uninterrupted"), fit_request))
    store, deaths = Store(folder / "broken"), []
    fractions = in_child(lambda: moments(Store(folder / "moments"), fit_request))["result"]
    for name, fraction in zip(KILLED, fractions, strict=True):
        died = in_child(lambda fraction=fraction: fitted(store, fit_request, dying(fraction)))
        deaths.append({"when": name, "signal": died["signal"], "checkpoints": n_checkpoints(store)})
    resumed = in_child(lambda: fitted(store, fit_request))
    other = request(folder / "data", ("signal", "signal"))
    fitting.delete_completed_checkpoints = lambda _: os.kill(os.getpid(), signal.SIGKILL)
    late = in_child(lambda: fitted(store, other))
    left = n_checkpoints(store)
    fitting.delete_completed_checkpoints = forget
    third = in_child(lambda: fitted(store, request(folder / "data", ("other", "other"))))
    return {
        "uninterrupted": uninterrupted,
        "deaths": deaths,
        "resumed": resumed,
        "late": late,
        "left": left,
        "third": third,
    }


forget = fitting.delete_completed_checkpoints


def moments(store: Store, fit_request: FitRequest) -> list[float]:
    """Fractions of progress at which an uninterrupted fit is at the stages of KILLED, by its checkpoints."""
    reported: list[tuple[float, int]] = []

    def record(done: float, total: float, message: str) -> None:
        if message.startswith("Fitting layer ") and total > 1:
            reported.append((done / total, n_checkpoints(store)))

    fit(store, fit_request, record)
    # Checkpoints are the selection, the map, then each batch. The middle of each stage is unambiguous.
    stages = [[fraction for fraction, n_stored in reported if n_stored == n] for n in (0, 1, 3, 4)]
    return [fractions[len(fractions) // 2] for fractions in stages]


def memory(folder: Path, n_voxels: int) -> dict:
    """Growth of a child's resident memory over a fit, beside the bytes of the responses."""
    make_dataset(folder / "data", 240, 60, n_voxels)
    loader.LARGE_BYTES, batches.BATCH_BYTES = 0, 4 * 2**20

    def measured() -> dict:
        before = _status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        answer = fitted(Store(folder / "store"), request(folder / "data"))
        return answer | {"growth": _status("VmHWM") - before}

    return in_child(measured) | {"responses": 4 * 300 * n_voxels}


def _status(field: str) -> int:
    """Bytes of a line of /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(f"{field}:")).split()[1])


if __name__ == "__main__":
    what, where = sys.argv[1], Path(sys.argv[2])
    sizes = [int(size) for size in sys.argv[3:]]
    print(json.dumps(resume(where) if what == "resume" else [memory(where / str(size), size) for size in sizes]))
