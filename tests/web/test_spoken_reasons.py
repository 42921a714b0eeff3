"""What citizens say when the line asks whether it is solved can be heard wherever it matters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient

from callcenter.domain.out_call import Purpose, State
from callcenter.store.models import Call, Recording
from callcenter.store.outgoing_models import OutCall
from callcenter.wiring import Wiring
from tests.web.conftest import Sent, clip_file

Tickets = Callable[..., Sent]
NOW = datetime.now(UTC)


def says_why(wired: Wiring, complaint_id: int, speech_s: float = 1.8) -> int:
    """A call of the line's own in which the citizen said something; the recording's id."""
    with wired.store.write() as db:
        uid = f"pbx1-{complaint_id}.900000000001"
        clip = clip_file(wired.config.storage.recordings, 900 + complaint_id, "reason")
        facts = {name: getattr(clip, name) for name in ("kind", "take", "path", "sha256", "bytes")}
        row = Recording(**facts, seconds=2.0, speech_seconds=speech_s)
        db.add(Call(call_uid=uid, line="pbx1", started_at=NOW, filed_at=NOW, recordings=[row]))
        db.add(
            OutCall(
                key=f"closing:{complaint_id}:0:1",
                purpose=Purpose.CLOSING,
                state=State.ENDED,
                telephone="+6281234567801",
                complaint_id=complaint_id,
                created_at=NOW,
                not_before=NOW,
                call_uid=uid,
            )
        )
        db.flush()
        return row.id


@pytest.mark.parametrize("page", ["/complaints/{complaint}", "/tickets/{ticket}"])
def test_the_console_plays_it_and_writes_that_down(
    page: str,
    wired: Wiring,
    a_ticket: Tickets,
    as_user: Callable[[str], FlaskClient],
    audits: Callable[[str], int],
) -> None:
    sent = a_ticket(1)
    address = page.format(complaint=sent.complaint_id, ticket=sent.ticket_id)
    operator = as_user("operator")
    assert "Mengapa belum selesai" not in operator.get(address).text
    sound = f"/recordings/{says_why(wired, sent.complaint_id)}.wav"
    shown = operator.get(address).text
    assert "Mengapa belum selesai" in shown
    assert f'src="{sound}"' in shown
    before = audits("recording_played")
    assert operator.get(sound).data[:4] == b"RIFF"
    assert audits("recording_played") == before + 1


def test_who_does_not_listen_to_citizens_sees_no_player(
    wired: Wiring, a_ticket: Tickets, as_user: Callable[[str], FlaskClient]
) -> None:
    sent = a_ticket(1)
    sound = f"/recordings/{says_why(wired, sent.complaint_id)}.wav"
    admin = as_user("admin")
    assert sound not in admin.get(f"/tickets/{sent.ticket_id}").text
    assert admin.get(sound).status_code == 403


def test_the_agency_hears_why_its_work_did_not_solve_it(
    client: FlaskClient, wired: Wiring, a_ticket: Tickets, audits: Callable[[str], int]
) -> None:
    own, other = a_ticket(1), a_ticket(2, agency="bpbd")
    reason = says_why(wired, own.complaint_id)
    sound = f"/p/{own.token}/recordings/{reason}.wav"
    assert f'src="{sound}"' in client.get(f"/p/{own.token}").text
    assert client.get(sound).data[:4] == b"RIFF"
    assert audits("recording_played") == 1
    assert client.get(f"/p/{other.token}/recordings/{reason}.wav").status_code == 404


def test_a_silence_has_no_player(client: FlaskClient, wired: Wiring, a_ticket: Tickets) -> None:
    sent = a_ticket(1)
    reason = says_why(wired, sent.complaint_id, speech_s=0.0)
    assert client.get(f"/p/{sent.token}/recordings/{reason}.wav").status_code == 404
    assert "Mengapa belum selesai" not in client.get(f"/p/{sent.token}").text
