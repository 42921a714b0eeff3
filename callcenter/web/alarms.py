"""What must not stay silent, on top of every page of the console."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, render_template
from flask_login import current_user
from sqlalchemy.exc import SQLAlchemyError

from callcenter.services import alarms
from callcenter.store.line_models import Alarm
from callcenter.web.access import SIGNED_IN, needs
from callcenter.web.context import reading

door = Blueprint("alarms", __name__)


@door.get("/alarms")
@needs(SIGNED_IN)
def standing() -> str:
    """The alarms alone: an open page asks for them again when something has changed."""
    return render_template("alarms.html")


def on_page() -> Sequence[Alarm]:
    """What a page shows; nothing to strangers, nor while the database is away."""
    if not current_user.is_authenticated:
        return ()
    try:
        return alarms.all_standing(reading())
    except SQLAlchemyError:
        return ()
