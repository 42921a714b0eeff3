"""Mistakes in config.yaml that no single key shows."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta

from callcenter.config.schema import Agency, Config, Line, LineTls, Person, Rung, Speech
from callcenter.domain.out_call import may_be_dialled
from callcenter.domain.people import AGENCY_POSTS
from callcenter.domain.presence import NO_ANSWER
from callcenter.domain.window import Clock
from callcenter.gateways import whisper

_ENDPOINTS = ("line", "trunk", "emergency", "global")


def cross_checks(config: Config) -> Iterator[str]:
    """One line per mistake, each with its key and the remedy."""
    yield from _duplicates("agencies", [a.key for a in config.agencies])
    yield from _duplicates("categories", [c.key for c in config.categories])
    people = [p.key for a in config.agencies for p in _people(a)]
    yield from _duplicates("agencies: people", people + [o.key for o in config.offices])
    yield from _unknown_agencies(config)
    yield from _ladder_mistakes(config)
    days = [str(row.day) for row in config.calendar.days_off]
    yield from _duplicates("calendar.days_off", days)
    yield from _roster_mistakes(config)
    yield from _port_mistakes(config)
    yield from _people_mistakes(config)
    yield from _channel_mistakes(config)
    yield from _duplicates("programme.languages", list(config.programme.languages))
    if "id" not in config.programme.languages:
        yield "programme.languages: must hold id; whoever chooses nothing is spoken to in it"
    if config.storage.low_below_mb < config.storage.stop_below_mb:
        yield "storage.low_below_mb: must not be less than storage.stop_below_mb; raise it"
    yield from _calls_out_mistakes(config)
    edges = config.desk.map.edges
    if not (-90 <= edges.south < edges.north <= 90 and -180 <= edges.west < edges.east <= 180):
        yield "desk.map.bounds: write south, west, north, east in degrees"
    tiles = config.desk.map.tiles
    if tiles and not all(part in tiles for part in ("{z}", "{x}", "{y}")):
        yield "desk.map.tiles: the address needs {z}, {x} and {y}"
    if config.line.call_back_from >= config.line.call_back_to:
        yield "line.call_back_to: must be later in the day than line.call_back_from"
    try:
        _ = config.programme.zone
    except (KeyError, ValueError, OSError):
        yield (
            f"programme.timezone: unknown zone {config.programme.timezone!r}; "
            "use a name such as Asia/Makassar"
        )


def file_checks(config: Config) -> Iterator[str]:
    """Files that must be there when the program starts; paths are resolved."""
    logo = config.programme.logo
    if logo and not logo.is_file():
        yield f"programme.logo: there is no file {logo}; put it there or take the key out"
    if config.line.tls:
        yield from _tls_mistakes(config.line.tls)
    if config.speech:
        yield from _speech_mistakes(config.speech)


def _speech_mistakes(speech: Speech) -> Iterator[str]:
    if not whisper.installed():
        yield "speech: faster-whisper is not installed; type: make speech, or take the section out"
    if not speech.model.is_dir():
        yield (
            f"speech.model: there is no folder {speech.model}; put a Whisper model there that was "
            "converted for CTranslate2, or take the section out"
        )
    elif lacks := whisper.missing(speech.model):
        yield (
            f"speech.model: {speech.model} lacks {', '.join(lacks)}; put there the whole folder of "
            "a Whisper model that was converted for CTranslate2"
        )


def _tls_mistakes(tls: LineTls) -> Iterator[str]:
    """Asterisk would start without TLS, and say so in its log alone."""
    missing = [name for name in ("certificate", "key") if not getattr(tls, name).is_file()]
    for name in missing:
        yield (
            f"line.tls.{name}: there is no file {getattr(tls, name)}; put the PEM file there or "
            "correct the path"
        )
    if missing:
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key, password="")
    except PermissionError:
        yield f"line.tls.key: {tls.key} cannot be read; give it to the user who runs aduan24"
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        yield (
            f"line.tls.certificate: {tls.certificate} and line.tls.key are no certificate and its "
            "key; use PEM files that belong together, the key without a password"
        )


def _people(agency: Agency) -> list[Person]:
    return [agency.head, *([agency.secretary] if agency.secretary else []), *agency.team]


def _duplicates(where: str, keys: list[str]) -> Iterator[str]:
    for key, times in Counter(keys).items():
        if times > 1:
            yield f"{where}: the key {key!r} stands {times} times; every key must be unique"


def _unknown_agencies(config: Config) -> Iterator[str]:
    known = {a.key for a in config.agencies}
    for row in config.categories:
        if row.agency not in known:
            yield (
                f"categories.{row.key}.agency: unknown agency {row.agency!r}; "
                f"use one of {', '.join(sorted(known))}"
            )


def _ladder_mistakes(config: Config) -> Iterator[str]:
    held = {o.post for o in config.offices}
    known = {a.key for a in config.agencies}
    for agency in sorted(set(config.ladder.agencies) - known):
        yield f"ladder.agencies.{agency}: unknown agency; use the key of one under agencies"
    for name, rungs in _ladders(config):
        yield from _duplicates(f"ladder.{name}", [r.key for r in rungs])
        for rung in rungs:
            for post in set(rung.to) - AGENCY_POSTS - held:
                yield (
                    f"ladder.{name}.{rung.key}.to: nobody holds the post {post.value!r}; "
                    "add it under offices or take it out of the step"
                )
        if not any(r.after == timedelta(0) and r.clock is Clock.DISPATCHED for r in rungs):
            yield f"ladder.{name}: no step at 0; without it nobody hears of a ticket"


def _ladders(config: Config) -> Iterator[tuple[str, tuple[Rung, ...]]]:
    """Every ladder with its place in the file."""
    yield "report", config.ladder.report
    yield "emergency", config.ladder.emergency
    for agency, own in config.ladder.agencies.items():
        for name, rungs in (("report", own.report), ("emergency", own.emergency)):
            if rungs:
                yield f"agencies.{agency}.{name}", rungs


def _roster_mistakes(config: Config) -> Iterator[str]:
    for agency in config.agencies:
        team = {person.key for person in agency.team}
        rows = agency.roster.week if agency.roster else ()
        named = [key for row in rows for key in row.officers]
        for key in sorted({*named, *(agency.roster.holidays if agency.roster else ())} - team):
            yield f"agencies.{agency.key}.roster: {key!r} is not in the team; use {_one_of(team)}"


def _one_of(keys: Iterable[str]) -> str:
    return ", ".join(sorted(keys))


def _port_mistakes(config: Config) -> Iterator[str]:
    line = config.line
    taken: dict[int, str] = {}
    ports = [
        ("web.port", config.web.port),
        *([] if config.queue.url else [("queue.port", config.queue.port)]),
        ("line.sip_port", line.sip_port),
        ("line.ami_port", line.ami_port),
        ("line.agi_port", line.agi_port),
        *([("line.tls.port", line.tls.port)] if line.tls else []),
    ]
    for key, port in ports:
        if port in taken:
            yield f"{key}: port {port} is also {taken[port]}; give one of them another port"
        taken[port] = key
        if line.rtp_first <= port <= line.rtp_last and key != "web.port":
            yield f"{key}: port {port} lies inside line.rtp_first..rtp_last; choose one outside"
    if line.rtp_last < line.rtp_first + 10:
        yield "line.rtp_last: must be at least 10 above line.rtp_first; each call takes two ports"
    elif line.rtp_last + 1 - line.rtp_first < _rtp_ports(line):
        yield (
            f"line.max_calls: {line.max_calls} calls need {_rtp_ports(line)} ports; widen "
            "line.rtp_first..rtp_last"
        )


def _rtp_ports(line: Line) -> int:
    """RTP and RTCP for each caller, and as many for whom the caller talks to."""
    ours = 4 * line.calls_out.at_once if line.calls_out else 0
    refused = 2 * (line.max_calls // 2)  # who is told that the line is busy
    return line.max_calls * (4 if line.emergency or line.operators else 2) + refused + ours


def _people_mistakes(config: Config) -> Iterator[str]:
    """Who answers: an account that exists once, a number that there is a line for."""
    line = config.line
    if line.trunk and line.trunk.transport == "tls" and line.tls is None:
        yield "line.trunk.transport: tls needs line.tls with a certificate; add it or use udp"
    yield from _duplicates("line.operators", [operator.user for operator in line.operators])
    for operator in line.operators:
        if operator.user in _ENDPOINTS:
            yield f"line.operators: {operator.user!r} is a name of the line's own; use another"
        if operator.address and operator.secret_file:
            yield (
                f"line.operators: {operator.user!r} has an address, so it does not register; "
                "leave out its secret_file or its address"
            )
    if NO_ANSWER in line.waiting.pauses:
        yield (
            f"line.waiting.pauses: {NO_ANSWER!r} is the line's own word for who did not answer; "
            "use another key"
        )
    if line.emergency and not line.emergency.destination.startswith("sip:") and not line.trunk:
        yield (
            "line.emergency.destination: a number needs line.trunk to dial it; add the trunk or "
            "write sip:user@host"
        )


def _calls_out_mistakes(config: Config) -> Iterator[str]:
    if "call" in config.notices.channels and not config.line.calls_out:
        yield "notices.channels: 'call' needs line.calls_out; add it or take the channel out"
    never = config.line.calls_out.never if config.line.calls_out else ()
    for person in (person for agency in config.agencies for person in _people(agency)):
        if (
            person.phone
            and not may_be_dialled(person.phone, never)
            and may_be_dialled(person.phone)
        ):
            yield (
                f"agencies: {person.key}: the phone begins as line.calls_out.never says; give "
                "another number or change line.calls_out.never"
            )
    if config.line.calls_out and not config.line.trunk:
        yield "line.calls_out: needs line.trunk to dial through; add the trunk or take it out"
    for name, rungs in (("report", config.ladder.report), ("emergency", config.ladder.emergency)):
        for rung in rungs:
            if rung.call and not config.line.calls_out:
                yield (
                    f"ladder.{name}.{rung.key}.call: needs line.calls_out; add it, or take the "
                    "call out of the step"
                )


def _channel_mistakes(config: Config) -> Iterator[str]:
    notices = config.notices
    if config.line.twilio and notices.twilio is None:
        yield "line.twilio: needs the account; add notices.twilio.account_sid"
    for channel in notices.channels:
        if channel in ("whatsapp", "sms"):
            sender = getattr(notices.twilio, f"{channel}_from", None)
            if sender is None:
                yield (
                    f"notices.channels: {channel!r} needs notices.twilio.{channel}_from; "
                    "add it or take the channel out"
                )
        if channel == "email" and notices.smtp is None:
            yield "notices.channels: 'email' needs notices.smtp; add it or take the channel out"
