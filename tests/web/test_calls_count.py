"""Above the list of calls: last night's count, and whether it was equal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from flask.testing import FlaskClient

from callcenter.store.exchange_models import CallCount
from callcenter.wiring import Wiring
from tests.web.conftest import Filer


def counted(wired: Wiring, here: int, day: date = date(2026, 3, 10), node: str = "pbx1") -> None:
    with wired.store.write() as session:
        session.add(
            CallCount(
                node=node,
                day=day,
                in_exchange=1204,
                here=here,
                here_alone=0,
                counted_at=datetime.now(UTC),
            )
        )


@pytest.mark.parametrize(("here", "shown"), [(1204, "1.204"), (1203, "1.203")])
def test_last_nights_count_stands_above_the_calls(
    wired: Wiring, as_user: Callable[[str], FlaskClient], file_call: Filer, here: int, shown: str
) -> None:
    file_call()
    operator = as_user("operator")
    assert "di sentral" not in operator.get("/calls").text
    counted(wired, 900, date(2026, 3, 9))
    counted(wired, here)
    page = operator.get("/calls").text
    assert f"10 Maret 2026: 1.204 panggilan di sentral, {shown} di sini." in page
    assert ("calls reconcile" in page) == (here != 1204)
    assert "9 Maret" not in page
    assert "di sentral" not in operator.get("/calls", headers={"HX-Request": "true"}).text
