"""Papers for people who sign them: set by typst from a template and plain data, as PDF.

What citizens and officers typed goes in as data and is never read as markup. Only the pictures
that are handed over can be seen from a template. Letters that typst's own fonts do not have come
from the machine's, where it has them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typst

_HERE = Path(__file__).parent


def typeset(
    template: str, facts: Mapping[str, Any], pictures: Mapping[str, bytes], made_at: datetime
) -> bytes:
    """The paper as tagged PDF, dated `made_at`; `pictures` by the name that the facts call them.

    Raises RuntimeError (typst.TypstError) for a template or a picture that cannot be set.
    """
    with TemporaryDirectory(prefix="aduan24-paper-") as folder:
        root = Path(folder)
        (root / "facts.json").write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")
        for name, data in pictures.items():
            (root / name).write_bytes(data)
        page = root / "page.typ"
        page.write_bytes((_HERE / template).read_bytes())
        return typst.compile(
            page,
            root=root,
            font_paths=_fonts(),
            format="pdf",
            timestamp=int(made_at.timestamp()),
        )


@cache
def _fonts() -> typst.Fonts:
    """Looked for once: the search costs more than a paper."""
    return typst.Fonts()
