"""While the operator types: the likely categories, and why. Nothing is chosen by itself."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from callcenter.services.suggestions import likely
from callcenter.web.access import needs
from callcenter.web.context import reading, wiring

door = Blueprint("suggestions", __name__)

_LONGEST = 20_000
_HARDLY = 0.04  # so little belief is no help


@door.post("/suggestions")
@needs("work_desk")
def categories() -> str:
    """The list for the transcript as it stands; what citizens say never stands in an address."""
    text = request.form.get("transcript", "")[:_LONGEST]
    rules = wiring().rules
    found = [s for s in likely(reading(), text, rules.categories) if s.share >= _HARDLY]
    named = [(s, category) for s in found if (category := rules.category(s.category_key))]
    return render_template("suggestions_list.html", found=named)
