"""`python -m logflume`: the same as the command `logflume`."""

import sys

from logflume.cli import main

sys.exit(main())
