"""python -m brivl: the explorer without a browser."""

import sys

from brivl.cli.main import main

sys.exit(main())
