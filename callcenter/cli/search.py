"""`aduan24 search check|rebuild`: whether complaints are found by what they hold."""

from __future__ import annotations

import typer

from callcenter.cli.common import command, configuration, make_app, note, store_of

app = make_app("What complaints are found by: compared with the complaints, and mended.")

_NAMED = 5


@command(app, "check")
def check() -> None:
    """Compare what each complaint is found by with what it holds; exit code 1 if some differ."""
    from callcenter.store.search_index import differing

    store, found = store_of(configuration()), list[int]()
    after: int | None = 0
    while after is not None:
        with store.look() as connection:
            ids, after = differing(connection, after)
        found += ids
    if not found:
        note("every complaint is found by what it holds")
        return
    named = ", ".join(map(str, found[:_NAMED]))
    note(f"{len(found)} complaints are found by something else (ids {named}); run: search rebuild")
    raise typer.Exit(1)


@command(app, "rebuild")
def rebuild() -> None:
    """Write anew what differs, a thousand complaints at a time; everything else works meanwhile."""
    from callcenter.store.search_index import mend

    store, mended = store_of(configuration()), 0
    after: int | None = 0
    while after is not None:
        with store.write() as session:
            ids, after = mend(session.connection(), after)
        mended += len(ids)
    note(f"{mended} complaints were written anew")
