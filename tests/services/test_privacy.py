"""Personal data goes for a reason, wherever it stands; the complaint stays."""

from __future__ import annotations

import pytest

from callcenter.services import drafts, privacy
from callcenter.services.drafts import Hand
from callcenter.services.errors import Refused
from callcenter.store.desk_models import DeskDraft
from callcenter.store.models import Audit
from tests.services.conftest import T0, TYPED, Town


def test_name_and_number_go_for_a_reason_and_the_complaint_stays(town: Town) -> None:
    complaint_id = town.complaint()
    typed = {"reporter_name": "I Wayan Contoh", "reporter_phone": "0812", "transcript": "Jalan"}
    with town.store.write() as db:
        for tab in ("a", "b"):
            drafts.keep(
                db,
                complaint_id,
                typed,
                version=0,
                hand=Hand("ani", tab, T0),
                lasts=town.rules.claim_lasts,
            )
    with pytest.raises(Refused), town.store.write() as db:
        privacy.forget_person(db, complaint_id, why=" ", actor="sari", now=T0)
    assert town.found(complaint_id).reporter_name == TYPED["reporter_name"]
    with town.store.write() as db:
        privacy.forget_person(db, complaint_id, why="Permintaan pelapor", actor="sari", now=T0)
    found = town.found(complaint_id)
    assert (found.reporter_name, found.reporter_phone) == ("", None)
    assert found.transcript == TYPED["transcript"]
    with town.store.read() as db:
        kept = [row.fields for row in db.query(DeskDraft)]
        assert len(kept) == 2
        assert all((f["reporter_name"], f["transcript"]) == ("", "Jalan") for f in kept)
        (row,) = db.query(Audit).filter_by(action="person_forgotten")
        assert row.detail == {"why": "Permintaan pelapor"}
    last = town.history(complaint_id=complaint_id)[-1]
    assert (last.verb, last.actor, last.why) == ("forget_person", "sari", "Permintaan pelapor")
