"""Ctrl-C ends a fit also where Python cannot act upon it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from brivl.cli.cancellation import STOPPED_MESSAGE, exit_on_sigint
from tests.support.processes import PATIENCE

ROOT = Path(__file__).parents[2]
# As a decomposition, this lets other threads run and comes back when it is done, here in twenty minutes or so.
DEAF = "begun.start(); hashlib.pbkdf2_hmac('sha256', b'', b'', 2 * 10**9)"
HEARING = "ready(); time.sleep(3600)"
CODE = """
import hashlib, signal, threading, time
from brivl.cli.cancellation import exit_on_sigint
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that started the tests with & has it ignored
def ready():
    print("ready", flush=True)
clock = time.pthread_getcpuclockid(threading.main_thread().ident)
def wait_for_work():  # the main thread computes, and this one runs beside it
    start = time.clock_gettime(clock)
    while time.clock_gettime(clock) < start + 0.1:
        time.sleep(0.01)
    ready()
begun = threading.Thread(target=wait_for_work)
with exit_on_sigint():
    try:
        {work}
    except KeyboardInterrupt:
        raise SystemExit(7)
"""


@pytest.mark.parametrize(
    ("work", "code", "message"), [(DEAF, 130, STOPPED_MESSAGE), (HEARING, 7, "")], ids=["deaf", "hearing"]
)
def test_an_interrupt_ends_the_process(work: str, code: int, message: str) -> None:
    command = [sys.executable, "-c", CODE.format(work=work)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == code and errors.strip() == message


def test_the_watch_ends_with_its_block_and_other_threads_need_none() -> None:
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    with exit_on_sigint():
        watching = [thread for thread in threading.enumerate() if thread.name == "interrupts"]
        assert watching
    for thread in watching:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in watching)
    assert signal.set_wakeup_fd(before) == before
    seen: list[bool] = []

    def elsewhere() -> None:
        with exit_on_sigint():
            seen.append(True)

    other = threading.Thread(target=elsewhere)
    other.start()
    other.join(PATIENCE)
    assert seen == [True]
