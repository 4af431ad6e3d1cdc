"""Parts side by side: results in order, errors in their place, threads given back, no parts left running."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from brivl.config import PROJECT, affinity_cores
from brivl.core import parallel
from brivl.core.parallel import map_in_order, n_at_once, one_thread_per_call
from brivl.errors import Cancelled
from brivl.threads import VARIABLES, cores_to_use, use_cores
from tests.support.processes import PATIENCE


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(n_threads: int) -> None:
    assert list(map_in_order(lambda i: i * i, range(40), n_threads)) == [i * i for i in range(40)]
    assert list(map_in_order(lambda i: i, [], n_threads)) == []


def test_parts_run_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=PATIENCE)  # breaks, and fails the test, unless three wait at it
    assert list(map_in_order(lambda i: (together.wait(), i)[1], range(6), 3)) == list(range(6))


def test_no_more_parts_run_than_allowed_and_few_are_ahead() -> None:
    running, most, begun, lock = 0, 0, 0, threading.Lock()

    def part(i: int) -> int:
        nonlocal running, most, begun
        with lock:
            running, begun = running + 1, begun + 1
            most = max(most, running)
        np.linalg.eigh(np.eye(60))
        with lock:
            running -= 1
        return i

    results = map_in_order(part, range(100), 2)
    next(results)
    results.close()
    assert most <= 2 and begun <= 2 * parallel.AHEAD + 1


@pytest.mark.parametrize("n_threads", [1, 3])
def test_an_error_of_a_part_comes_in_its_place(n_threads: int) -> None:
    def part(i: int) -> float:
        if i == 2:
            raise ZeroDivisionError(i)
        return i

    seen = []
    with pytest.raises(ZeroDivisionError):
        for value in map_in_order(part, range(9), n_threads):
            seen.append(value)
    assert seen == [0, 1]


def test_who_stops_leaves_no_part_running() -> None:
    ended, started = [], []

    def part(i: int) -> int:
        started.append(i)
        np.linalg.eigh(np.eye(200))
        ended.append(i)
        return i

    def cancelled() -> None:
        for i in map_in_order(part, range(1000), 2):
            if i == 1:
                raise Cancelled

    with pytest.raises(Cancelled):
        cancelled()
    assert sorted(started) == sorted(ended) and len(started) < 20
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("brivl-part")]


def test_each_call_uses_one_thread_and_the_number_from_before_comes_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread_per_call():
            list(map_in_order(lambda i: i, range(4), 2))
            inside = list(map_in_order(lambda _: (torch.get_num_threads(), blas_threads()), range(4), 2))
            assert torch.get_num_threads() == 1
        assert inside == [(1, {1})] * 4
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_libraries_that_come_later_follow_from_the_next_block_on() -> None:
    code = (
        "from brivl.core.parallel import one_thread_per_call\n"
        "with one_thread_per_call():\n"
        "    import scipy.linalg, torch\n"
        "    from threadpoolctl import threadpool_info\n"
        "    with one_thread_per_call():\n"
        "        inside = [lib['num_threads'] for lib in threadpool_info() if lib['user_api'] == 'blas']\n"
        "        inside.append(torch.get_num_threads())\n"
        "after = [lib['num_threads'] for lib in threadpool_info() if lib['user_api'] == 'blas']\n"
        "print(inside, after + [torch.get_num_threads()])"
    )
    env = os.environ | dict.fromkeys(VARIABLES, "2")
    ran = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=env, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    # OpenBLAS starts no more threads than there are cores, whatever BRIVL_CORES says.
    here = min(2, affinity_cores())
    assert ran.stdout.strip() == f"[1, 1, 1] [{here}, {here}, 2]"


def test_a_part_may_have_parts_of_its_own() -> None:
    def part(i: int) -> tuple[int, list[int]]:
        return cores_to_use(), list(map_in_order(lambda j: i + j, range(3), n_at_once(1)))

    with use_cores(2):
        assert list(map_in_order(part, range(8), 2)) == [(1, [i, i + 1, i + 2]) for i in range(8)]


def test_parts_of_a_part_run_in_its_thread_whatever_they_ask_for() -> None:
    """Two threads whose parts both waited for parts in the same two threads would wait forever."""

    def part(i: int) -> bool:
        threads = list(map_in_order(lambda _: threading.current_thread(), range(3), 2))
        return set(threads) == {threading.current_thread()}

    assert list(map_in_order(part, range(8), 2)) == [True] * 8
    assert len(set(map_in_order(lambda _: threading.current_thread(), range(50), 2))) <= 2


def test_short_memory_means_fewer_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "available_memory", lambda: 4000)
    with use_cores(8):
        assert [n_at_once(n_bytes) for n_bytes in (0, 1, 300, 1000, 5000)] == [8, 8, 3, 1, 1]
    with use_cores(1):
        assert n_at_once(0) == 1


def test_items_are_taken_as_they_are_needed() -> None:
    taken = []

    def items() -> Iterator[int]:
        for i in range(100):
            taken.append(i)
            yield i

    results = map_in_order(lambda i: i, items(), 2)
    assert next(results) == 0 and len(taken) <= 2 * parallel.AHEAD + 1
    results.close()
