"""Ctrl-C within a second, also during a large decomposition, when Python acts on signals only after it is over."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_S = 0.5  # for the ordinary way, KeyboardInterrupt
STOPPED_MESSAGE = "brivl: interrupted; results that were complete are kept."
EXIT_STOPPED = 130


@contextmanager
def exit_on_sigint() -> Iterator[None]:
    """End the process on an interrupt that Python has not acted on after PATIENCE_S, within the body.

    Results are written to temporary files and renamed, so that an end at any moment leaves none incomplete. Outside of
    the main thread nothing changes, since only the main thread receives signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    done = threading.Event()
    threading.Thread(target=_watch, args=(reading, done), daemon=True, name="interrupts").start()
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield
    finally:
        done.set()
        signal.set_wakeup_fd(before)
        os.close(writing)


def _watch(reading: int, done: threading.Event) -> None:
    """Read the numbers of signals as they come; the pipe is closed when the body ends."""
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while numbers := pipe.read(1):
            if numbers[0] != signal.SIGINT:
                continue
            time.sleep(PATIENCE_S)
            if not done.is_set():
                print(STOPPED_MESSAGE, file=sys.stderr, flush=True)
                os._exit(EXIT_STOPPED)
