"""The command line: `tunesmith VERB …`; every file here without a leading underscore is a verb."""

from ._main import main as main
from ._main import verbs as verbs
