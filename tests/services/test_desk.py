"""The desk: nothing typed is lost or overwritten, and nobody rejects a complaint alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callcenter.domain.complaint import ComplaintState
from callcenter.services import desk
from callcenter.services.desk import DeskForm
from callcenter.services.errors import Conflict, NotFound, Refused
from callcenter.store.models import Complaint
from tests.databases import Database
from tests.services.conftest import HOUR, POSTGRES, T0, TYPED, Town, together
from tests.services.test_tickets import Stops

NOTHING = dict.fromkeys(TYPED, "")


def _save(town: Town, complaint_id: int, version: int | None = None, **typed: str) -> Complaint:
    form = DeskForm(**{**TYPED, **typed})
    with town.store.write() as db:
        return desk.save(
            db, complaint_id, form, actor="ani", now=T0, rules=town.rules, version=version
        )


def _verbs(town: Town, complaint_id: int) -> list[str]:
    return [h.verb for h in town.history(complaint_id=complaint_id)]


# ---------------------------------------------------------------- saving


def test_the_state_follows_what_is_there(town: Town) -> None:
    complaint_id = town.complaint(**NOTHING)
    assert town.state(complaint_id) is ComplaintState.RECEIVED
    _save(town, complaint_id, transcript="", village_code="", place_note="Pasar")
    assert town.state(complaint_id) is ComplaintState.RECEIVED
    _save(town, complaint_id, category_key="")
    assert town.state(complaint_id) is ComplaintState.TRANSCRIBED
    _save(town, complaint_id)
    assert town.state(complaint_id) is ComplaintState.CATEGORISED
    _save(town, complaint_id, place_note="Depan pasar lama")
    assert _verbs(town, complaint_id) == ["receive", "transcribe", "categorise"]


def test_saving_everything_at_once_is_two_moves(town: Town) -> None:
    complaint_id = town.complaint()
    assert _verbs(town, complaint_id) == ["receive", "transcribe", "categorise"]
    found = town.found(complaint_id)
    assert (found.transcript, found.reporter_phone) == (TYPED["transcript"], "+628123456789")


def test_correcting_after_the_dispatch_moves_nothing(town: Town) -> None:
    ticket_id = town.sent()
    complaint_id = town.complaint_of(ticket_id)
    _save(town, complaint_id, transcript="Jalan berlubang, dekat sekolah.")
    assert town.state(complaint_id) is ComplaintState.DISPATCHED
    assert town.found(complaint_id).transcript == "Jalan berlubang, dekat sekolah."


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("category_key", "no_such"),
        ("village_code", "51.71.01.1001"),  # a village of another regency
        ("village_code", "' OR 1=1 --"),
        ("reporter_phone", "12"),
        ("reporter_phone", "nol delapan"),
        ("urgency", "panic"),
        ("urgency", ""),
        ("transcript", "x" * 20_001),
        ("place_note", "x" * 301),
        ("reporter_name", "x" * 121),
    ],
)
def test_a_value_that_is_not_acceptable_names_its_field_and_saves_nothing(
    town: Town, field: str, value: str
) -> None:
    complaint_id = town.complaint(**NOTHING)
    before = town.found(complaint_id).version
    with pytest.raises(Refused) as refused:
        _save(town, complaint_id, **{field: value})
    assert refused.value.field == field
    found = town.found(complaint_id)
    assert (found.transcript, found.version) == ("", before)


def test_a_complaint_that_is_not_there(town: Town) -> None:
    with pytest.raises(NotFound):
        _save(town, 10**6)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  dua\r\nbaris  ", "dua\nbaris"),
        ("tab\tdan\u00a0spasi\u3000lebar", "tab dan spasi lebar"),
        ("nol\x00 \x1b[31mmerah\u202e \u200bakhir", "nol [31mmerah akhir"),
        ("\ud800separuh", "separuh"),
        ("Pura Puseh 🙏", "Pura Puseh 🙏"),
        ("\u2028\u2029\x0b\x0c\r", ""),
    ],
)
def test_what_nobody_sees_is_taken_out_and_words_stay_apart(
    town: Town, typed: str, kept: str
) -> None:
    complaint_id = town.complaint(**NOTHING)
    assert _save(town, complaint_id, transcript=typed).transcript == kept
    assert town.found(complaint_id).transcript == kept


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.text(max_size=300))
def test_any_text_at_all_is_kept_or_refused(town: Town, text: str) -> None:
    complaint_id = _once(town)
    try:
        saved = _save(town, complaint_id, transcript=text, place_note=text, reporter_name=text)
    except Refused as refused:
        assert refused.field in ("place_note", "reporter_name")
    else:
        assert town.found(complaint_id).transcript == saved.transcript
        assert "".join(saved.transcript.split()) == "".join(
            c for c in text if c.isprintable() and not c.isspace()
        )


def _once(town: Town) -> int:
    with town.store.read() as db:
        found = db.query(Complaint).first()
    return found.id if found else town.complaint(**NOTHING)


# ---------------------------------------------------------------- two at one complaint


def test_an_older_version_overwrites_nothing(town: Town) -> None:
    complaint_id = town.complaint()
    read = town.found(complaint_id).version
    _save(town, complaint_id, read, transcript="Kata Ani.")
    with pytest.raises(Conflict):
        _save(town, complaint_id, read, transcript="Kata Budi.")
    assert town.found(complaint_id).transcript == "Kata Ani."
    _save(town, complaint_id, town.found(complaint_id).version, transcript="Kata Budi.")
    assert town.found(complaint_id).transcript == "Kata Budi."


def test_a_version_that_never_was_is_a_conflict(town: Town) -> None:
    complaint_id = town.complaint()
    for version in (0, -1, 10**9):
        with pytest.raises(Conflict):
            _save(town, complaint_id, version)


def test_saving_the_same_again_is_no_change_for_others(town: Town) -> None:
    complaint_id = town.complaint()
    version = town.found(complaint_id).version
    _save(town, complaint_id, version)
    assert town.found(complaint_id).version == version


def test_of_two_who_save_at_the_same_moment_one_is_told(town: Town) -> None:
    for turn in range(5):
        complaint_id = town.complaint()
        read = town.found(complaint_id).version
        came = together(
            *(
                lambda n=n, c=complaint_id, v=read: _save(town, c, v, transcript=f"Kata {n}.")
                for n in range(3)
            )
        )
        kinds = [type(one) for one in came]
        assert kinds.count(Complaint) == 1, (turn, came)
        assert kinds.count(Conflict) == 2, (turn, came)


@POSTGRES
def test_who_saves_while_the_other_is_at_it_waits_and_is_told(
    town: Town, database: Database
) -> None:
    complaint_id = town.complaint()
    read = town.found(complaint_id).version
    first = Stops(database, "FROM complaints WHERE complaints.id = %(pk_1)s::INTEGER")
    own = Town(first.store, town.rules, town.folder, [])

    def second() -> Complaint:
        assert first.reached.wait(10)
        first.go_on.set()
        return _save(town, complaint_id, read, transcript="Kata Budi.")

    came = together(lambda: _save(own, complaint_id, read, transcript="Kata Ani."), second)
    assert [type(one) for one in came] == [Complaint, Conflict], came
    assert town.found(complaint_id).transcript == "Kata Ani."


# ---------------------------------------------------------------- rejecting


def _propose(town: Town, complaint_id: int, actor: str = "ani", reason: str = "Iseng.") -> None:
    with town.store.write() as db:
        desk.propose_rejection(db, complaint_id, reason=reason, actor=actor, now=T0)


def _confirm(town: Town, complaint_id: int, actor: str = "budi") -> None:
    with town.store.write() as db:
        desk.confirm_rejection(db, complaint_id, actor=actor, now=T0 + HOUR)


def test_two_people_reject_and_nothing_is_deleted(town: Town) -> None:
    complaint_id = town.complaint()
    _propose(town, complaint_id)
    assert town.state(complaint_id) is ComplaintState.CATEGORISED
    with pytest.raises(Refused) as refused:
        _confirm(town, complaint_id, "ani")
    assert refused.value.field == "actor"
    _confirm(town, complaint_id)
    found = town.found(complaint_id)
    assert (found.state, found.reject_reason) == (ComplaintState.NOT_ACTIONABLE, "Iseng.")
    assert found.transcript == TYPED["transcript"]
    rows = [(h.verb, h.actor, h.why) for h in town.history(complaint_id=complaint_id)]
    assert rows[-2:] == [("propose_reject", "ani", "Iseng."), ("reject", "budi", "Iseng.")]


@pytest.mark.parametrize("typed", [NOTHING, {}, {"category_key": ""}])
def test_what_was_not_sent_yet_may_be_rejected(town: Town, typed: dict[str, Any]) -> None:
    complaint_id = town.complaint(**typed)
    _propose(town, complaint_id)
    _confirm(town, complaint_id)
    assert town.state(complaint_id) is ComplaintState.NOT_ACTIONABLE


def test_nobody_confirms_what_nobody_proposed_or_twice(town: Town) -> None:
    complaint_id = town.complaint()
    with pytest.raises(Refused):
        _confirm(town, complaint_id)
    _propose(town, complaint_id)
    _confirm(town, complaint_id)
    with pytest.raises(Refused):
        _confirm(town, complaint_id, "cici")
    with pytest.raises(Refused):
        _propose(town, complaint_id, "cici")
    for verb in (_propose, _confirm):
        with pytest.raises(NotFound):
            verb(town, 10**6)


def test_a_rejection_has_a_reason(town: Town) -> None:
    complaint_id = town.complaint()
    for reason in ("", " \u200b\n", "x" * 301):
        with pytest.raises(Refused) as refused:
            _propose(town, complaint_id, reason=reason)
        assert refused.value.field == "reason"


def test_what_was_sent_is_not_rejected(town: Town) -> None:
    complaint_id = town.complaint()
    _propose(town, complaint_id)
    town.dispatch(complaint_id)
    for verb in (_propose, _confirm):
        with pytest.raises(Refused):
            verb(town, complaint_id)
    assert town.state(complaint_id) is ComplaintState.DISPATCHED


def test_a_rejection_and_a_dispatch_at_the_same_moment_leave_one_of_them(town: Town) -> None:
    for _ in range(5):
        complaint_id = town.complaint()
        _propose(town, complaint_id)
        came = together(
            lambda c=complaint_id: _confirm(town, c),
            lambda c=complaint_id: town.dispatch(c, T0 + HOUR),
        )
        assert [isinstance(one, Refused) for one in came].count(True) == 1, came
        rejected = town.state(complaint_id) is ComplaintState.NOT_ACTIONABLE
        assert rejected is (came[0] is None)


def test_the_proposer_who_is_overtaken_by_another_proposal_may_confirm_that_one(
    town: Town,
) -> None:
    complaint_id = town.complaint()
    _propose(town, complaint_id, "ani")
    _propose(town, complaint_id, "budi", "Ganda.")
    with pytest.raises(Refused):
        _confirm(town, complaint_id, "budi")
    _confirm(town, complaint_id, "ani")
    assert town.found(complaint_id).reject_reason == "Ganda."
