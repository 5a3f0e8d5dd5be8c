"""What the user asks for: the sections of a recipe, read, checked and written."""

from .data import Data
from .digests import differences, digest
from .sections import Base, Evaluation, Recipe, Run, Training
from .starred import Section

__all__ = ["Base", "Data", "Evaluation", "Recipe", "Run", "Section", "Training", "differences", "digest"]
