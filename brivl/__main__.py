"""The command `brivl`, and `python -m brivl`: the explorer, with and without a browser."""

from __future__ import annotations

import sys

from brivl.threads import set_threads

set_threads()  # before numpy and torch are imported, which read the settings then


def run() -> None:
    """Run one verb of the command line and leave with its exit code."""
    from brivl.commands.main import main

    sys.exit(main())


if __name__ == "__main__":
    run()
