"""How rows are divided by the time that they are of."""

from __future__ import annotations

from pydantic import Field

from .kinds import Options


class Time(Options):
    """Rows divided by the time that they are of: what is tested comes after what was learnt. `{column: date}`.

    A model that is to answer tomorrow's questions is tested on the latest of today's; drawn by chance, its test rows
    would stand between others of the same day.
    """

    column: str | None = Field(default=None, min_length=1)
    """The column with the time of each row; null: rows are not divided by time.

    Dates (`2026-11-21`), dates with times (`2026-11-21T09:30:00+04:00`; UTC where no zone is named), or seconds since
    1970. A row without one is an error.
    """

    validation_from: str | None = None
    """The date or time from which on rows are validation rows; null: such that their share is `data.validation`."""

    test_from: str | None = None
    """The date or time from which on rows are test rows; null: such that their share is `data.test`.

    Name it, or a file in `data.sides`, where rows will be added: a date that follows from a share moves with them.
    """
