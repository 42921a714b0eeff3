"""What the account that places calls may do on a real exchange, and what nobody who calls may."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from callcenter.gateways.asterisk import CallsOut, Operator, Trunk
from tests.line.asterisk import RunningAsterisk, reserve, start, until
from tests.line.conftest import block
from tests.line.people import People, Person
from tests.line.softphone import Call

pytestmark = [pytest.mark.line, pytest.mark.timeout(60)]

RINGS, ANSWERS = "081200000101", "081200000102"

PEOPLE = {RINGS: Person(refuses="486 Busy Here"), ANSWERS: Person(talk_s=20.0)}


@dataclass
class Exchange:
    pbx: RunningAsterisk
    people: People

    def dialled(self) -> list[str]:
        """Every number that ever reached the carrier."""
        return [talk.caller for talk in list(self.people._talks.values())]

    def says(self, user: str, action: str, secret: str = "") -> str:
        """What the manager answers to this account after a good login; with another's secret,
        to the login as well."""
        settings = self.pbx.settings
        with socket.create_connection(("127.0.0.1", settings.ami_port), timeout=20) as wire:
            own = {
                settings.ami_user: settings.ami_secret,
                settings.dialler_user: settings.dialler_secret,
            }[user]
            login = f"Action: Login\r\nUsername: {user}\r\nSecret: {secret or own}\r\n\r\n"
            wire.sendall(f"{login}{action}\r\n\r\nAction: Logoff\r\n\r\n".encode())
            answer = b"".join(iter(lambda: wire.recv(4096), b"")).decode()
        assert secret or "Authentication accepted" in answer
        return answer.split("Authentication accepted", 1)[-1]

    def dialler(self, action: str) -> str:
        return self.says(self.pbx.settings.dialler_user, action)


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    folder = tmp_path_factory.mktemp("pbx")
    reserve(folder / "numbers", *block(100))
    with ExitStack() as stack:
        people = stack.enter_context(People(PEOPLE))
        pbx = start(
            folder,
            trunk=Trunk("127.0.0.1", "03665501000", "carrier-secret", people.port),
            calls_out=CallsOut(ring_seconds=4, operator_seconds=4, never=("0809", "08X77")),
            operators=(Operator("op1", "a-secret-of-op1"),),
        )
        stack.callback(pbx.stop)
        yield Exchange(pbx, people)


def order(channel: str, *more: str) -> str:
    lines = ("Action: Originate", f"Channel: {channel}", "Timeout: 3000", *more)
    return "\r\n".join(lines)


OUT = ("Context: aduan-out", "Exten: s", "Priority: 1")


def test_the_dialler_dials_an_indonesian_number(exchange: Exchange) -> None:
    call = "Variable: ADUAN_CALL=pbx1-1.900000000001,ADUAN_WHOM=6281200000101"
    exchange.dialler(order(f"Local/{RINGS}@aduan-dial/n", *OUT, call))
    until(lambda: RINGS in exchange.dialled())


@pytest.mark.parametrize(
    "extension",
    [
        "112",  # an emergency desk is not called by the line itself
        "0014155550100",  # abroad
        "+6281200000109",
        "081200000109a",
        "08120000010912345",
        "081200000109${ENV(HOME)}",
        "081200000109&PJSIP/op1",
        "08091234567",  # a premium number
        "0809123",
        "0857712345678",  # X is any digit
        "number",
        "s",
    ],
)
def test_no_other_number_matches(exchange: Exchange, extension: str) -> None:
    before = exchange.dialled()
    told = ("ADUAN_CALL=pbx1-1.900000000002", "ADUAN_WHOM=62812", "ADUAN_DIGITS=0014155550100")
    call = f"Variable: {','.join(told)}"
    answer = exchange.dialler(order(f"Local/{extension}@aduan-dial/n", *OUT, call))
    assert "Response: Error" in answer
    assert exchange.dialled() == before


@pytest.mark.parametrize(
    "application",
    [
        "Application: System\r\nData: touch {mark}",
        "Application: AGI\r\nData: /usr/bin/touch,{mark}",
        "Application: EAGI\r\nData: /usr/bin/touch,{mark}",
        "Application: MixMonitor\r\nData: {mark}.wav,,touch {mark}",
        "Application: Queue\r\nData: aduan-operators,,,,,/usr/bin/touch",
    ],
)
def test_no_command_of_the_machine_can_be_originated(
    exchange: Exchange, tmp_path: Path, application: str
) -> None:
    mark = tmp_path / "mark"
    action = order("Local/s@aduan-ring/n", application.format(mark=mark))
    assert "Response: Error" in exchange.dialler(action)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("serial", "to"),
    list(enumerate(("0014155550100", "112", "s", "", "number", "${ENV(HOME)}", "08091234567"))),
)
def test_after_the_operator_no_other_number_is_dialled(
    exchange: Exchange, serial: int, to: str
) -> None:
    before = exchange.dialled()
    uid = f"pbx1-1.90000000010{serial}"
    told = f"ADUAN_TO={to},ADUAN_DIGITS={to},ADUAN_CALL={uid},ADUAN_WHOM=62812"
    near = ("Context: aduan-call-back", "Exten: s", "Priority: 1", f"Variable: {told}")
    exchange.dialler(order(f"Local/{ANSWERS}@aduan-dial/n", *near, f"ChannelId: {uid}"))
    until(lambda: exchange.dialled()[len(before) :])
    until(lambda: all(talk.over.is_set() for talk in exchange.people.talks(ANSWERS)))
    assert exchange.dialled() == [*before, ANSWERS]


def test_a_variable_of_an_order_writes_no_file(exchange: Exchange, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    more = (*OUT, f"Variable: FILE({mark})=written", "Variable: ADUAN_CALL=pbx1-1.900000000003")
    exchange.dialler(order(f"Local/{RINGS}@aduan-dial/n", *more, "Variable: ADUAN_WHOM=628"))
    until(lambda: any(s.call_id == "pbx1-1.900000000003" for s in exchange.pbx.sidecars()))
    assert not mark.exists()


@pytest.mark.parametrize(
    "action",
    [
        "Action: Command\r\nCommand: core show channels",
        "Action: Setvar\r\nVariable: X\r\nValue: y",
        "Action: Redirect\r\nChannel: x\r\nContext: aduan-dial\r\nExten: s\r\nPriority: 1",
        "Action: GetConfig\r\nFilename: manager.conf",
        "Action: UpdateConfig\r\nSrcFilename: extensions.conf\r\nDstFilename: extensions.conf",
    ],
)
def test_placing_calls_is_all_that_the_dialler_may_do(exchange: Exchange, action: str) -> None:
    answer = exchange.dialler(action)
    assert "Permission denied" in answer or "Invalid/unknown command" in answer


def test_the_secret_of_who_asks_about_calls_places_none(exchange: Exchange) -> None:
    settings, before = exchange.pbx.settings, exchange.dialled()
    action = order("Local/081200000109@aduan-dial/n", *OUT)
    assert "Authentication failed" in exchange.says(
        settings.dialler_user, action, settings.ami_secret
    )
    assert exchange.dialled() == before


def test_who_asks_about_calls_may_place_none(exchange: Exchange) -> None:
    before = exchange.dialled()
    action = order("Local/081200000109@aduan-dial/n", *OUT)
    assert "Permission denied" in exchange.says(exchange.pbx.settings.ami_user, action)
    assert exchange.dialled() == before


def test_a_caller_who_dials_a_number_reaches_the_hotline_and_nobody_else(
    exchange: Exchange,
) -> None:
    before = exchange.dialled()
    with Call(exchange.pbx.sip_port, dialled="081200000109") as call:
        until(lambda: call.status >= 200)
    assert exchange.dialled() == before
