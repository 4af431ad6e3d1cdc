"""Independent parts of one computation side by side, in threads of this process.

NumPy and torch release Python's lock while they compute, so that threads suffice and nothing is copied. Each call of a
library uses one thread: products that are split over threads wait for the slowest of them (`brivl.threads`), and their
sums depend on the number of threads. Parts are computed as they would be one after the other, whatever the number of
threads, and results come in the order of the parts; so a computation gives the same bits on one core and on many.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar, copy_context
from functools import cache
from itertools import islice
from types import ModuleType
from typing import TypeVar

from threadpoolctl import ThreadpoolController

from brivl.config import available_memory
from brivl.threads import cores_to_use, use_cores

# Parts that run at a time may take this share of the free memory.
MEMORY_SHARE = 0.25
# Modules that load a BLAS of their own when they are imported.
BLAS_USERS = ("numpy", "scipy.linalg", "faiss", "torch")
# Parts whose results wait for those before them, per thread.
AHEAD = 2

_in_a_part: ContextVar[bool] = ContextVar("in a part", default=False)

Item = TypeVar("Item")
Result = TypeVar("Result")


def n_at_once(n_bytes: int) -> int:
    """Return how many parts of a computation may run at a time.

    Parameters
    ----------
    n_bytes : int
        Memory that one part takes while it runs, in bytes.

    Returns
    -------
    int
        At least 1; as many as this process has cores, fewer where memory is short.
    """
    cores = cores_to_use()
    return cores if cores == 1 else max(1, min(cores, int(MEMORY_SHARE * available_memory()) // max(1, n_bytes)))


def map_in_order(function: Callable[[Item], Result], items: Iterable[Item], n_threads: int) -> Iterator[Result]:
    """Yield function(item) of each item in the order of the items, n_threads of them computed at a time.

    The function must not set himalaya's backend; the caller does. Progress is best reported by the caller, between
    results: what it raises (Cancelled) ends the computation once the parts that run have ended. An error of a part is
    raised in its place.

    Parameters
    ----------
    function : Callable[[Item], Result]
        Computes one part; independent of all other parts.
    items : Iterable[Item]
        What the parts are computed from.
    n_threads : int
        Parts that run at a time; with 1 they run in the calling thread, as do parts of a part: all threads might wait
        for parts of their own otherwise.

    Yields
    ------
    Result
        Of each item.
    """
    with one_thread_per_call():
        if n_threads == 1 or _in_a_part.get():
            yield from map(function, items)
            return
        pool, left, waiting = _blocks.pool(n_threads), iter(items), deque[Future[Result]]()
        try:
            for item in islice(left, AHEAD * n_threads):
                waiting.append(pool.submit(copy_context().run, _compute, function, item))
            while waiting:
                yield waiting.popleft().result()
                for item in islice(left, 1):
                    waiting.append(pool.submit(copy_context().run, _compute, function, item))
        finally:
            wait([future for future in waiting if not future.cancel()])


@contextmanager
def one_thread_per_call() -> Iterator[None]:
    """Let each call of torch and BLAS, in any thread of this process, use one thread within the block.

    What is computed within is then equal to the bit under any OMP_NUM_THREADS: OpenBLAS and MKL add up in another order
    where several threads share a product. Blocks may be nested; a library that is imported within a block follows from
    the next block on.
    """
    _blocks.enter()
    torch, before = _torch(), 1
    if torch is not None:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if torch is not None:
            torch.set_num_threads(before)
        _blocks.leave()


class _Blocks:
    """The blocks of `one_thread_per_call` that are entered: libraries know one number only, and threads are kept."""

    def __init__(self) -> None:
        self._lock, self._n_entered, self._at_end = threading.Lock(), 0, ExitStack()
        self._pools: dict[int, ThreadPoolExecutor] = {}
        self._limited: tuple[str, ...] = ()

    def enter(self) -> None:
        with self._lock:
            self._n_entered += 1
            loaded = tuple(name for name in BLAS_USERS if name in sys.modules)
            if loaded != self._limited:
                self._at_end.enter_context(_libraries(loaded).limit(limits=1, user_api="blas"))
                self._limited = loaded

    def pool(self, n_threads: int) -> ThreadPoolExecutor:
        with self._lock:
            if n_threads not in self._pools:
                pool = ThreadPoolExecutor(n_threads, "brivl-part", _one_thread_in_torch)
                self._pools[n_threads] = self._at_end.enter_context(pool)
            return self._pools[n_threads]

    def leave(self) -> None:
        with self._lock:
            self._n_entered -= 1
            if not self._n_entered:
                self._pools.clear()
                self._limited = ()
                self._at_end.close()


_blocks = _Blocks()


def _compute(function: Callable[[Item], Result], item: Item) -> Result:
    """In a thread of the pool, which other parts need as well: what the part computes runs in this thread alone."""
    _in_a_part.set(True)  # in the context of this part
    with use_cores(1):
        return function(item)


def _one_thread_in_torch() -> None:
    """In the calling thread too: OpenMP and MKL keep a number for each."""
    torch = _torch()
    if torch is not None:
        torch.set_num_threads(1)


def _torch() -> ModuleType | None:
    """The module, where it is imported already, and not just being imported by another thread."""
    torch = sys.modules.get("torch")
    return torch if hasattr(torch, "set_num_threads") else None


@cache
def _libraries(_loaded: tuple[str, ...]) -> ThreadpoolController:
    """The libraries of this process, which come with these modules; looking for them takes milliseconds."""
    return ThreadpoolController()
