"""python -m brivl: the explorer without a browser."""

import sys

from brivl.threads import set_threads

set_threads()  # before numpy and torch are imported, which read the settings then

from brivl.commands.main import main  # noqa: E402

sys.exit(main())
