"""Publish a run's export on the Hub, with its card; without `--yes` only told what would go.

Nothing goes that was not proved when it was exported, or that holds what looks like a token, a key or a password. A
repository that is made for it is private unless `--public` is given. The token comes from `HF_TOKEN`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import DONE, Misuse
from ._output import GREEN, Screen


def add(parser: argparse.ArgumentParser) -> None:
    """Take a run, a repository and which of the run's exports goes there."""
    parser.add_argument("run", metavar="RUN", help="a run's folder")
    parser.add_argument("repo", metavar="REPO", help="`owner/name` on the Hub")
    parser.add_argument("--what", metavar="FORMAT", default="merged", help="which of its exports (default: merged)")
    parser.add_argument("--public", action="store_true", help="let everybody see a repository that is made for it")
    parser.add_argument("--dry-run", action="store_true", help="only tell what would go, as without `--yes`")
    parser.add_argument("--yes", action="store_true", help="send it")


def run(arguments: argparse.Namespace) -> int:
    """Tell what would go, and send it where that is wanted."""
    from ..workflow.exporting import push

    if arguments.yes and arguments.dry_run:
        raise Misuse("command.arguments", "`--yes` sends it, and `--dry-run` does not", "", "give one of them")
    screen: Screen = arguments.screen
    parcel = push.pack(Path(arguments.run), arguments.repo, what=arguments.what, private=not arguments.public)
    if not screen.as_json:
        for name, size in parcel.files.items():
            screen.say(f"{size:>15,}  {name}")
        screen.say(f"{parcel.size:>15,}  bytes to {parcel.repo} ({'private' if parcel.private else 'public'} where "
                   "it is made now)")
    if not arguments.yes:
        if screen.as_json:
            screen.answer({**parcel.as_json(), "sent": False})
        else:
            screen.say("nothing was sent; the same with `--yes` sends it")
        return DONE
    done = push.send(parcel)
    if screen.as_json:
        screen.answer({**parcel.as_json(), "sent": True, "url": done.url, "commit": done.commit})
    else:
        screen.say(f"pushed: {done.url}", GREEN)
    return DONE
