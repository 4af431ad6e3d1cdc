"""python -m brivl: the explorer without a browser."""

import sys

from brivl.commands.main import main

sys.exit(main())
