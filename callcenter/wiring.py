"""The only place that builds everything: from the configuration to what the doors work with.

Nothing is connected here; each part is made when it is first asked for.
"""

from __future__ import annotations

import os
import secrets as random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path

from sqlalchemy.orm import Session

from callcenter import inquiries
from callcenter.call_log import CallLog
from callcenter.config import Config, Secrets
from callcenter.config.schema import Agency
from callcenter.dialler import Dialler, Ways
from callcenter.domain.complaint import Urgency
from callcenter.errands import Errands
from callcenter.gateways import asterisk
from callcenter.gateways.account import Account
from callcenter.gateways.asterisk import AsteriskSettings
from callcenter.gateways.call_through import CallThrough
from callcenter.gateways.cel import Record
from callcenter.gateways.channel import Channel, Enclosure
from callcenter.gateways.dialling import Dialling
from callcenter.gateways.engine_apart import EngineApart
from callcenter.gateways.pbx import Pbx
from callcenter.gateways.postman import Postman
from callcenter.gateways.screen import Screen
from callcenter.gateways.switchboard import Switchboard
from callcenter.gateways.twilio_media import TwilioMedia
from callcenter.services import entry, pins, report_paper
from callcenter.services.audit_chain import Heads
from callcenter.services.call_channel import CallChannel
from callcenter.services.entry import Entry
from callcenter.services.links import ClipSigner, LinkSigner
from callcenter.services.media import Source
from callcenter.services.number_lease import Lease
from callcenter.services.out_plans import Ground
from callcenter.services.receipts import ReceiptRules
from callcenter.services.replies import ReplyRules
from callcenter.services.report_paper import Desk, Letterhead
from callcenter.services.room import RoomWatch, SpoolRoom
from callcenter.services.rules import Rules, WaitingRules
from callcenter.services.status import InquiryRules
from callcenter.services.twilio_calls import TwilioLine
from callcenter.services.twilio_courses import Courses
from callcenter.services.twilio_recordings import Import
from callcenter.store.session import Store, make_engine
from ivr.asterisk import Errand, LineSettings
from ivr.menu import Limits, build_menu
from ivr.prompts import MAIN, PromptBook, Shelf, consent_version
from ivr.resting import Resting
from ivr.spool import Spool
from ivr.twilio import Addresses
from ivr.waiting import WaitingRoom

#: Addresses that no stranger on the internet has (RFC 1918, RFC 1122).
_PRIVATE = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
_LOOPBACK = ("127.0.0.1",)
_STRATEGIES = {"all": "ringall", "least_recent": "leastrecent"}


class Wiring:
    """Everything that one process needs, built from its configuration."""

    def __init__(self, config: Config, secrets: Secrets) -> None:
        self.config, self.secrets = config, secrets
        self.rules = rules_of(config)

    # ------------------------------------------------------------ data

    @cached_property
    def store(self) -> Store:
        """The database; notices written in a transaction are posted to the workers after it."""
        return Store(
            make_engine(self.config.storage.database),
            posted=self.postman.post,
            audit_secret=self.secret_key,
        )

    @cached_property
    def postman(self) -> Postman:
        """The queue between whoever writes a notice and the workers who send it."""
        return Postman(self.config.queue.redis_url)

    @cached_property
    def secret_key(self) -> str:
        """Signs sessions and links; made at the first start, the same for every process."""
        return secret_of(self.config)

    @property
    def audit_heads(self) -> Heads:
        """Where the head of the chain of audit rows is kept, once a day."""
        return Heads(self.config.storage.state / "audit-heads.txt")

    @cached_property
    def links(self) -> LinkSigner:
        """Signs officers' links."""
        return LinkSigner(self.secret_key, self.config.web.public_url)

    def pin_of(self, number: str) -> str:
        """The PIN of a public number; needs no database."""
        return pins.pin_of(number, self.secret_key)

    @property
    def call_through(self) -> CallThrough | None:
        """What puts an officer through to a citizen; None: nothing does, and no button shows."""
        return None

    @cached_property
    def report_desk(self) -> Desk:
        """What handling reports as papers need."""
        letterheads = {a.key: letterhead_of(self.config, a) for a in self.config.agencies}
        return Desk(letterheads, self.rules, self.config.storage.recordings)

    def paper(self, session: Session, ticket_id: int) -> Enclosure:
        """A ticket's handling report as PDF. Raises NotFound."""
        return report_paper.enclosure(session, ticket_id, self.report_desk)

    @cached_property
    def receipt_rules(self) -> ReceiptRules:
        """What a receipt says, and when it may leave."""
        programme = self.config.programme
        return ReceiptRules(programme.name, programme.phone, self.config.night)

    @cached_property
    def reply_rules(self) -> ReplyRules:
        """What officers' answers by message need."""
        config = self.config
        return ReplyRules(self.rules, config.storage.recordings, config.programme.phone)

    @cached_property
    def inquiry_rules(self) -> InquiryRules:
        """Who may learn what became of a complaint."""
        return InquiryRules(self.secret_key, self.config.guessing)

    @cached_property
    def speech_engine(self) -> EngineApart | None:
        """What turns recordings into words; None: speech to text is off."""
        told = self.config.speech
        if told is None:
            return None
        return EngineApart(told.model, told.language, told.threads, told.memory_mb)

    # ------------------------------------------------------------ people

    @cached_property
    def channels(self) -> tuple[Channel, ...]:
        """The ways a notice may take, in the configured order."""
        return tuple(self._channel(name) for name in self.config.notices.channels)

    def _channel(self, name: str) -> Channel:
        notices = self.config.notices
        if name == "screen":
            return Screen()
        if name == "call":
            return CallChannel(self.store)
        if name == "email" and notices.smtp:
            from callcenter.gateways.smtp import Mail  # noqa: PLC0415 (only where it is used)

            return Mail(notices.smtp, self.secrets.smtp_password)
        if notices.twilio and self.secrets.twilio_auth_token:
            from callcenter.gateways.twilio import TwilioMessages  # noqa: PLC0415 (slow to import)

            return TwilioMessages(name, notices.twilio, self.secrets.twilio_auth_token)
        raise ValueError(f"notices.channels: {name!r} is not set up")  # load() refuses it first

    @cached_property
    def media_source(self) -> Source | None:
        """Where files of citizens' messages lie; None where no messages come in."""
        account = self.config.notices.twilio
        if account is None or not self.secrets.twilio_auth_token:
            return None
        return TwilioMedia(account, self.secrets.twilio_auth_token)

    # ------------------------------------------------------------ the line

    @property
    def spool(self) -> Spool:
        """Where the line leaves what it heard."""
        recordings = self.config.storage.recordings
        return Spool(recordings / "spool", recordings / "quarantine")

    @property
    def numbers_folder(self) -> Path:
        """The public numbers that are reserved for the exchange, and how many are gone."""
        return self.config.storage.state / "numbers"

    @cached_property
    def entry(self) -> Entry:
        """Where a call begins; two files that the line reads, whatever else is away."""
        storage, most = self.config.storage, self.config.line.silent_calls
        return Entry(
            entry.mode_file(storage.state),
            entry.limited_file(storage.state, self.secret_key, most),
            SpoolRoom(self.spool.folder, storage.room),
        )

    @property
    def resting(self) -> Resting:
        """Who has just called and not spoken, or is held back by the desk."""
        return Resting(self.asterisk_settings.resting)

    def room_watch(self) -> RoomWatch:
        """What tells people that a disk fills up."""
        storage = self.config.storage
        return RoomWatch(self.store, storage.folders, storage.room)

    @cached_property
    def asterisk_settings(self) -> AsteriskSettings:
        """What the exchange's configuration is rendered from."""
        config, line, recording = self.config, self.config.line, self.config.line.recording
        trunk = None
        if line.trunk and self.secrets.trunk_secret:
            trunk = asterisk.Trunk(
                line.trunk.host,
                line.trunk.user,
                self.secrets.trunk_secret,
                line.trunk.at_port,
                line.trunk.transport,
            )
        tls = None
        if line.tls:
            tls = asterisk.Tls(line.tls.certificate, line.tls.key, line.tls.port, line.tls.srtp)
        return AsteriskSettings(
            tls=tls,
            node=line.node,
            state=config.storage.state / "asterisk",
            spool=self.spool.folder,
            prompts=config.storage.recordings / "prompts" / "id",
            numbers=self.numbers_folder,
            ami_secret=kept_secret(config.storage.state / "ami.secret"),
            dialler_secret=self._dialler_secret,
            sip_port=line.sip_port,
            sip_bind=line.bind,
            public_address=line.public_address or "",
            sip_allow=_LOOPBACK if line.bind in _LOOPBACK else _PRIVATE,
            rtp_first=line.rtp_first,
            rtp_last=line.rtp_last,
            ami_port=line.ami_port,
            agi_port=line.agi_port,
            consent_version=self._consent_version(MAIN),
            record_seconds=recording.max_seconds,
            silence_seconds=recording.silence_seconds,
            max_calls=line.max_calls,
            max_calls_per_caller=line.max_calls_per_caller,
            max_calls_per_source=line.max_calls_per_source or 0,
            utc_offset=_utc_offset(config),
            trunk=trunk,
            emergency=line.emergency.destination if line.emergency else "",
            operators=tuple(
                asterisk.Operator(
                    phone.user,
                    self.secrets.operator_secrets.get(phone.user, ""),
                    phone.address or "",
                )
                for phone in line.operators
            ),
            operator_strategy=_STRATEGIES[line.operators_ring],
            calls_out=_calls_out(config),
            ring_seconds=line.waiting.ring_seconds,
            wrap_up_seconds=line.waiting.wrap_up_seconds,
        )

    @property
    def _dialler_secret(self) -> str:
        """Of the exchange's account that may place calls; empty where nobody places any."""
        if not self.config.line.calls_out:
            return ""
        own = self.config.storage.state / "ami-dialler.secret"
        return self.secrets.dialler_secret or kept_secret(own)

    def _consent_version(self, language: str) -> str:
        return consent_version(language, self.config.storage.retention_days)

    @cached_property
    def waiting_room(self) -> WaitingRoom:
        """The callers of this process who wait for an operator."""
        return WaitingRoom(self.config.line.waiting.most)

    @property
    def line_settings(self) -> LineSettings:
        """What the application's side of a call needs to know."""
        config, line, recording = self.config, self.config.line, self.config.line.recording
        return LineSettings(
            spool=self.spool.folder,
            quarantine=self.spool.quarantine_folder,
            prompts=config.storage.recordings / "prompts",
            port=line.agi_port,
            retention_days=config.storage.retention_days,
            limits=Limits(
                complaint_s=recording.max_seconds,
                complaint_silence_s=recording.silence_seconds,
                short_s=recording.short_max_seconds,
                short_silence_s=recording.short_silence_seconds,
                speech_s=recording.silent_below_seconds,
                queue_round_s=float(line.waiting.offer_seconds),
                queue_rounds=line.waiting.rounds,
                operators=bool(line.operators),
                languages=config.programme.languages,
                emergency=line.emergency is not None,
            ),
            waiting=self.waiting_room,
            max_calls=line.max_calls,
            max_call_s=float(line.max_call_seconds),
            inquiry=inquiries.desk(
                self.store, self.inquiry_rules, config.programme.zone, self.books
            ),
            pin=self.pin_of,
            mode=lambda caller: self.entry.mode(caller, datetime.now(UTC)),
            errand=self._errand,
            resting=self.resting,
        )

    def _errand(self, call_id: str) -> Errand | None:
        """What a call that the line has placed is about. May raise anything."""
        limits, recordings = self.line_settings.limits, self.config.storage.recordings
        return Errands(self.store, self.books, limits, recordings, self.secret_key).of(call_id)

    def books(self) -> Mapping[str, PromptBook]:
        """The prompts of every language as they are now. Raises PromptsMissing."""
        return self.shelf.books()

    @cached_property
    def shelf(self) -> Shelf:
        """What the line says, in every language. Raises PromptsMissing."""
        storage = self.config.storage
        return Shelf(storage.recordings / "prompts", storage.retention_days)

    # ------------------------------------------------------------ calls through Twilio

    @cached_property
    def twilio_line(self) -> TwilioLine | None:
        """What a call at Twilio needs; None where calls do not come that way."""
        calls, settings = self.config.line.twilio, self.line_settings
        if calls is None:
            return None
        people = {"emergency": calls.emergency, "operators": calls.operators}
        reached = {name: number for name, number in people.items() if number}
        limits = replace(
            settings.limits, emergency="emergency" in reached, operators="operators" in reached
        )
        base = self.config.web.public_url.rstrip("/") + "/twilio"
        return TwilioLine(
            build_menu(limits),
            self.twilio_courses,
            Lease(self.store).take,
            lambda call_sid: Addresses(base, partial(self.twilio_clips.token, call_sid), reached),
            inquiry=settings.inquiry,
            pin=settings.pin,
            mode=lambda caller: self.entry.mode(caller, datetime.now(UTC), recorded_here=False),
        )

    @cached_property
    def twilio_courses(self) -> Courses:
        """What has happened in the calls that go on at Twilio."""
        return Courses(self.config.storage.recordings / "twilio-calls")

    @cached_property
    def twilio_clips(self) -> ClipSigner:
        """Signs the addresses of callers' own clips."""
        return ClipSigner(self.secret_key)

    @cached_property
    def twilio_account(self) -> Account:
        """Where Twilio keeps our recordings. Raises ValueError where there is no account."""
        from callcenter.gateways.twilio_recordings import TwilioRecordings  # noqa: PLC0415 (slow)

        calls, account = self.config.line.twilio, self.config.notices.twilio
        if calls is None or account is None or not self.secrets.twilio_auth_token:
            raise ValueError("line.twilio: is not set up")  # load() refuses it first
        return TwilioRecordings(account, self.secrets.twilio_auth_token, calls.recording_hosts)

    @cached_property
    def twilio_import(self) -> Import:
        """Where recordings from Twilio go. Raises ValueError where no calls come that way."""
        if self.twilio_line is None:
            raise ValueError("line.twilio: is not set up")
        staging = self.config.storage.recordings / "twilio"
        menu, courses = self.twilio_line.menu, self.twilio_courses
        return Import(self.spool, staging, menu, self._consent_version, courses)

    @property
    def call_log(self) -> CallLog:
        """The log of calls and the exchange's own record of them."""
        config = self.config
        return CallLog(
            self.store,
            config.line.node,
            Record(self.asterisk_settings.record),
            self.spool,
            config.storage.recordings,
            timedelta(days=config.storage.retention_days),
        )

    def pbx(self) -> Pbx:
        """A connection to the exchange's manager; the caller starts and stops it."""
        settings = self.asterisk_settings
        return Pbx(port=settings.ami_port, user=settings.ami_user, secret=settings.ami_secret)

    def dialler(self) -> Dialler | None:
        """What places the line's own calls; the caller starts and stops it. None: nobody does."""
        line, settings = self.config.line, self.asterisk_settings
        if line.calls_out is None:
            return None
        exchange = Dialling(
            port=settings.ami_port,
            user=settings.dialler_user,
            secret=settings.dialler_secret,
            plus=line.calls_out.dial_as == "plus",
            ring_s=max(line.calls_out.ring_seconds, line.calls_out.operator_seconds),
            never=line.calls_out.never,
        )
        ways = Ways(
            self.store,
            self.spool,
            line.node,
            Ground(
                self.config.no_call_backs,
                self.rules,
                self.config.storage.recordings,
                line.calls_out.closing_tries,
                line.calls_out.never,
            ),
            most=line.calls_out.at_once,
            backs=bool(line.operators),
        )
        return Dialler(ways, exchange)

    def switchboard(
        self, changed: Callable[[], None], missed: Callable[[str], None] = lambda _extension: None
    ) -> Switchboard:
        """A connection to the operators' queue; the caller starts and stops it."""
        settings = self.asterisk_settings
        return Switchboard(
            port=settings.ami_port,
            user=settings.operators_user,
            secret=settings.ami_secret,
            changed=changed,
            missed=missed,
        )


def _calls_out(config: Config) -> asterisk.CallsOut | None:
    told = config.line.calls_out
    if told is None:
        return None
    return asterisk.CallsOut(
        told.dial_as == "plus", told.ring_seconds, told.operator_seconds, told.never
    )


def _utc_offset(config: Config) -> int:
    """Of the programme's zone, in seconds: Indonesia has no summer time."""
    offset = datetime.now(config.programme.zone).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def rules_of(config: Config) -> Rules:
    """What the services need of the configuration."""
    return Rules(
        window_length=config.window_length,
        ladders={urgency: config.steps(urgency) for urgency in Urgency},
        night=config.night,
        zone=config.programme.zone,
        categories=config.routing,
        link_lifetime=timedelta(days=config.web.link_days),
        closing_after=config.window.closing_after / config.window.time_scale,
        programme_name=config.programme.name,
        replies=config.notices.twilio is not None,
        time_scale=config.window.time_scale,
        rosters={a.key: a.roster.plan for a in config.agencies if a.roster},
        own_ladders={
            (agency, urgency): config.steps(urgency, agency)
            for agency in config.ladder.agencies
            for urgency in Urgency
            if config.own_rungs(urgency, agency)
        },
        calendar=config.working_days,
        national=config.national_limits,
        waiting=WaitingRules(config.waiting.longest, config.waiting.prolonged_at_most),
        phone=config.programme.phone,
        tells_citizens=config.notices.receipts,
        claim_lasts=config.desk.claim_lasts,
        bounds=config.desk.map.edges,
    )


def letterhead_of(config: Config, agency: Agency) -> Letterhead:
    """How an agency's papers begin: as configured, else as it follows from the agency."""
    programme, told = config.programme, agency.letterhead
    return Letterhead(
        government=f"Pemerintah {programme.regency}" if agency.kind == "OPD" else "",
        name=told.name or agency.name,
        address=told.address,
        programme=programme.name,
        town=programme.regency.removeprefix("Kabupaten ").removeprefix("Kota "),
        head_title=told.head_title or f"Pimpinan {agency.name}",
        head_name=agency.head.name,
        head_nip=agency.head.nip or "",
        logo=programme.logo,
    )


def secret_of(config: Config) -> str:
    """The installation's secret; made at the first start, the same for every process."""
    return kept_secret(config.storage.state / "secret.key")


def kept_secret(path: Path) -> str:
    """The secret in this file, made when it is missing; of two who make it at once, one wins.

    Readable by the owner alone from the first byte, and never half-written.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(random.token_urlsafe(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii").strip()
