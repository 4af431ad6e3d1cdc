"""Other work on the machine: processes that spin, and the share of the processor that such work leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from brivl.config import n_cores

# Ends with its parent, whose number it is given, so that a killed benchmark leaves nothing behind.
SPIN = """
import os, sys
while os.getppid() == int(sys.argv[1]):
    for _ in range(100_000):
        pass
"""
PROBE_SECONDS = 1.0
# Spins for some seconds of wall time and prints the share of them for which it had a core.
PROBE = """
import sys, time
seconds, wall, processor = float(sys.argv[1]), time.monotonic(), time.process_time()
while time.monotonic() - wall < seconds:
    pass
print((time.process_time() - processor) / (time.monotonic() - wall))
"""


@contextmanager
def busy_loops(n: int) -> Iterator[list[int]]:
    """Run n processes that spin within the block; they are killed at its end, however it ends.

    Parameters
    ----------
    n : int
        Processes.
    """
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(n):
            command = [sys.executable, "-c", SPIN, str(os.getpid())]
            processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL))
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def share_left(seconds: float = PROBE_SECONDS) -> float:
    """Measure the share of the cores of this process that others leave to it.

    Parameters
    ----------
    seconds : float
        How long is measured.

    Returns
    -------
    float
        1 on an idle machine; 0.5 if as many other processes spin as there are cores.
    """
    command = [sys.executable, "-c", PROBE, str(seconds)]
    probes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(n_cores())]
    shares = [float(probe.communicate()[0]) for probe in probes]
    return sum(shares) / len(shares)
