"""`aduan24 suggestions learn|try`: learning from what operators decided, and asking it."""

from __future__ import annotations

from typing import Annotated

import typer

from callcenter.cli.common import (
    command,
    configuration,
    make_app,
    note,
    now,
    print_json,
    print_table,
    store_of,
)

app = make_app("Suggested categories: learnt from what operators decided.")


@command(app, "learn")
def learn() -> None:
    """Learn anew from the decisions in the database; the clock does it every night."""
    from callcenter.services.suggestions import Learning

    config = configuration()
    learning = Learning(store_of(config), config.routing)
    while learning.go_on(now()):
        pass
    note(f"learnt from {learning.read} complaints; the console uses it at once")


@command(app, "try")
def try_(
    text: Annotated[str, typer.Argument(help="What a citizen said.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; see docs/cli.md.")] = False,
) -> None:
    """Show which categories the desk would suggest for a text, and because of which words."""
    from callcenter.services.suggestions import likely

    config = configuration()
    agencies = {category.key: category.agency for category in config.routing}
    with store_of(config).read() as session:
        found = likely(session, text, config.routing)
    rows = [
        {
            "category": s.category_key,
            "agency": agencies[s.category_key],
            "share": round(s.share, 2),
            "because_of": list(s.reasons) if as_json else ", ".join(s.reasons),
        }
        for s in found
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows, ("category", "agency", "share", "because_of"), config)
    else:
        note("nothing to suggest: no word of it is known")
