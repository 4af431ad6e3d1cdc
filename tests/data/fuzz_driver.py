"""Reads one form of data again and again, each time wrong in another way, within 1 GiB and 5 s: a process of its own.

python -m tests.data.fuzz_driver FORM FOLDER [N]: a line of JSON for each mutation, before and after it.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import traceback
import warnings
from pathlib import Path
from types import FrameType

import numpy as np

from brivl.errors import BrivlError
from tests.data.fuzz_bytes import Change
from tests.data.fuzz_forms import FORMS, Form

MOST_MEMORY = 2**30  # bytes of address space, the interpreter and its libraries included
PATIENCE = 20.0  # s of processor time, on any machine; a file that is bad is refused in a fraction of one


class _TooLong(BaseException):
    """Raised by the clock; no loader may swallow it."""


def _ring(_number: int, _frame: FrameType | None) -> None:
    raise _TooLong


def main(name: str, folder: Path, n: int) -> None:
    """Draw n of a form's changes (all of them for 0), seeded, and say how each ended."""
    form = FORMS[name]
    form.make(folder)
    warnings.simplefilter("error")
    rng = np.random.default_rng(0)
    changes = list(form.changes(folder, rng))
    chosen = changes if n == 0 else [changes[i] for i in sorted(rng.permutation(len(changes))[:n])]
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    signal.signal(signal.SIGPROF, _ring)
    form.read(folder)
    for change in chosen:
        print(json.dumps({"begins": change[0], "file": change[1].name}), flush=True)
        print(json.dumps(_tried(form, folder, change)), flush=True)
    form.read(folder)
    print(json.dumps({"n_changes": len(changes), "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10}))


def _tried(form: Form, folder: Path, change: Change) -> dict[str, str]:
    """Put the new content in place, read everything, put the old one back."""
    what, path, content = change
    kept = path.read_bytes()
    path.write_bytes(content if isinstance(content, bytes) else content())
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    try:
        form.read(folder)
        end, said = "loaded", ""
    except BrivlError as error:
        end, said = "refused", str(error)
    except _TooLong:
        end, said = "failed", f"took more than {PATIENCE} s\n{traceback.format_exc()[-1500:]}"
    except BaseException:
        end, said = "failed", traceback.format_exc()[-3000:]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        path.write_bytes(kept)
    return {"what": what, "file": path.name, "end": end, "said": said.encode("utf-8", "backslashreplace").decode()}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
