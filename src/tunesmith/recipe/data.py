"""What a recipe says of its rows: where they are, how they are read, which are held out, and what is made of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .documents import Documents
from .kinds import Audits, Augments, Files, Options, ShareOrFiles, every
from .sources import Mix
from .splits import Time
from .starred import Choice, Section


class Data(Options):
    """What is learnt from, and what is held out. Relative paths count from the folder of the recipe."""

    train: Files
    """The examples: a file, a folder, a glob, or `owner/rows` on the Hub; or a list of them.

    JSONL, JSON, CSV, TSV and plain text, each also with `.gz`; Parquet; XLSX, of which the first sheet is read. Typed
    on the command line, a relative path counts from the current folder. A path that exists is taken before the Hub is
    asked; there, `owner/rows` is the split `train`, `owner/rows:test` another, `owner/rows:main/test` that of the
    configuration `main`, `owner/rows:data/*.jsonl` some files; `owner/rows@revision` is any of these at a branch, a tag
    or a commit.
    """

    validation: ShareOrFiles = 0.1
    """The rows that early stopping and the choice of the best checkpoint look at: a share of `train`, or files.

    From 0 to below 1; 0: none. A share is taken by group, so rows that belong together stay on one side. 0.1 is usual;
    with over 10,000 rows, 0.02 is enough.
    """

    test: ShareOrFiles = 0.1
    """The rows that decide the verdict and that nothing else looks at: a share of `train`, or files.

    From 0 to below 1; 0: none, and no verdict. Below about 100 rows only large gains can be proved.
    """

    mix: Mix = Field(default_factory=dict)
    """Sources that are mixed into training by weight: `mix: {general: {files: general.jsonl, share: 0.1}}`.

    Replaying a share of general rows keeps what the base knew. They are only trained on: `validation`, `test` and the
    verdict are of `train`'s own rows. Each source has a name of your choice, and may have a format of its own.
    """

    augment: Augments = ()
    """How new training rows are made of old ones: `[noise]`, or a list of ways; by default none are.

    One with options is `{type: noise, share: 0.2}`; a dotted name (`mypackage.my_way`) is one of your own. None is made
    of held-out rows. `tunesmith compare` of a run with and one without says whether it paid.
    """

    audit: Audits = Field(default_factory=lambda: every("audit"))
    """What is looked for in the rows before anything is learnt from them: all checks, those named here with options.

    `[{type: labels, severity: error}]` refuses the run where that check finds something; `severity: off` leaves a check
    out. A dotted name (`mypackage.my_check`) is one of your own, beside the others.
    """

    temperature: float = Field(default=1.0, ge=1, le=1000)
    """How sources of `data.mix` are weighed that have neither `share` nor `epochs`: by rows ** (1 / temperature).

    1 to 1000; the training file is one of them. 1 is in proportion to their rows; larger ones give small sources more,
    1000 gives all nearly the same. Try 2 to 5 where one source is a hundred times another.
    """

    documents: Documents = Field(default_factory=Documents)
    """Rows of plain text made into texts of like length. `{characters: 2000}` joins lines that follow each other."""

    format: Annotated[Section, Choice("format")] | None = None
    """The shape of the rows; null: recognised from their columns, and said.

    Name one when the rows could be read in two ways. `tunesmith explain data.format` lists them.
    """

    columns: dict[str, str] = Field(default_factory=dict)
    """Which column is which, where the names are not the usual ones: `{prompt: Question text, answer: Reply}`.

    The left side is the name that the format knows, the right side the column of the file; `{notes: ""}` leaves a
    column out.
    """

    header: bool | tuple[str, ...] | None = None
    """Whether the first row of CSV and TSV files names the columns; null: told by the rows, and said where it does not.

    `true`, `false`, or a list of names for a file that has none: `[text, label, id]`. Columns without names are called
    `column 1`, `column 2` and so on, also those of CoNLL files.
    """

    system: str | None = None
    """The system prompt of conversations that bring none; null: none is added.

    Use the prompt that the model will be served with.
    """

    group: str | Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """The column whose equal values keep rows on one side of the split; null: by the first user turn, or the text.

    Name the customer, the document or the ticket where rows of one source resemble each other; else the test rows are
    no news to the model, and the verdict too good. Of several, `[author, document]`, one that two rows share is enough.
    """

    near: float | None = Field(default=0.8, ge=0.5, le=1)
    """How alike two rows are that stay on one side of the split as if they were of one group; null: not compared.

    0.5 to 1: the share of their shingles (three words in a row) that both have, of all that they say or of what they
    ask; without a system prompt. 1 keeps texts together that differ in case or punctuation alone. Try 0.9, or null,
    where all rows repeat one long text.
    """

    sides: str | None = Field(default=None, min_length=1, examples=["orders.sides.jsonl"])
    """A file that remembers the side of every group, so that none changes it when rows are added; null: none.

    `tunesmith train` writes it, without any text of the rows, and adds new groups to it; keep it with the data. A new
    row that is nearly the same as rows of two sides is set aside, and told.
    """

    stratify: bool = False
    """Whether each label has the shares of `validation` and `test`, as far as whole groups allow: `true` or `false`.

    For rows with labels; of several labels, the rarest counts. Try `true` where a label has fewer than 50 rows.
    """

    time: Time = Field(default_factory=Time)
    """Rows divided by the time that they are of, the latest for the test: `{column: date}`."""

    leaks: Literal["warn", "drop", "refuse"] = "warn"
    """What happens to held-out rows whose group is trained on too: `warn`, `drop` or `refuse`.

    `drop` leaves them out of `validation` and `test`, and of `test` also those whose group is in `validation`, and
    tells how many; `refuse` is an error. Try `drop` where a published test set shares texts with what you train on.
    """

    template: str | None = None
    """The chat template: the name of a shipped one (`chatml`, `chatml-tools`), or a Jinja file; null: the base's own.

    A tuned model answers well only with the template that it was tuned with. Name one for a base that has none, and
    `chatml-tools`, which writes calls of tools as Hermes and Qwen2.5 do, where the base's does not write those of rows.
    """

    turns: Literal["all", "last"] = "all"
    """Which of the assistant's turns are learnt: `all`, or only the `last` of each conversation.

    `train: false` on a turn keeps it out in either case. Try `last` where only the last answer was checked by somebody.
    """

    thinking: Literal["template", "think", "no_think"] = "template"
    """What becomes of reasoning: as the `template` has it by itself, `think`, or `no_think`.

    Reasoning is read from `reasoning_content`, `reasoning` or `thinking` of a turn, or between `<think>` and `</think>`
    at its beginning. `template` asks the model as its template does unless told otherwise; `think` and `no_think` are
    `enable_thinking` (Qwen, GLM) and `thinking` (DeepSeek) set to true or false, and `no_think` takes all reasoning out
    of the rows. Serve the model with the same setting. Try `think` where a row's reasoning is said to be left out.
    """

    tools: str | None = None
    """The tools that are offered in conversations that bring none: a JSON file of OpenAI's definitions; null: none.

    Rows bring theirs in the column `tools`; `data.columns` says so if it has another name. Name the file that the
    model will be served with.
    """

    too_long: Literal["refuse", "cut", "drop", "split"] = "refuse"
    """What happens to rows longer than `training.max_length`: `refuse`, `cut`, `drop` or `split`.

    `refuse` is an error that names them; `drop` leaves them out, `split` makes several of one conversation or text (a
    prompt with its answer is not parted), `cut` keeps the beginning; each of these three warns with counts. Try a
    larger `training.max_length` first.
    """
