"""Ctrl-C within a second, also while a large decomposition runs: Python itself hears of it only when that is over."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 0.5  # seconds for the ordinary way, KeyboardInterrupt
STOPPED_MESSAGE = "brivl: stopped; answers that were ready are kept."
EXIT_STOPPED = 130


@contextmanager
def exit_on_sigint() -> Iterator[None]:
    """Within: an interrupt that Python has not acted upon after PATIENCE ends the process, with a sentence.

    Results are written aside and renamed, so that ending at any moment leaves none of them half-written. Nothing is
    changed where this is not the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    over = threading.Event()
    threading.Thread(target=_watch, args=(reading, over), daemon=True, name="interrupts").start()
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        os.close(writing)


def _watch(reading: int, over: threading.Event) -> None:
    """Read the numbers of signals as they come; the pipe ends with the block that is watched."""
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while numbers := pipe.read(1):
            if numbers[0] != signal.SIGINT:
                continue
            time.sleep(PATIENCE)
            if not over.is_set():
                print(STOPPED_MESSAGE, file=sys.stderr, flush=True)
                os._exit(EXIT_STOPPED)
