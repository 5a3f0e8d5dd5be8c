"""`python -m tunesmith` is the command `tunesmith`."""

import sys

from .cli import main

sys.exit(main())
