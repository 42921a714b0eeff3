"""The shape of config.yaml: frozen, strict sections with their defaults."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, time, timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from callcenter.domain.calendar import Calendar, NationalLimits
from callcenter.domain.complaint import Urgency
from callcenter.domain.correspondence import HOLES, holes_of
from callcenter.domain.limits import Limits
from callcenter.domain.limits import Window as GuessWindow
from callcenter.domain.people import Post
from callcenter.domain.position import Bounds
from callcenter.domain.room import RoomLimits
from callcenter.domain.roster import Plan, Shift
from callcenter.domain.routing import Category
from callcenter.domain.window import Clock, Night, Step, Until

_DURATION = re.compile(r"^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_KEY = re.compile(r"^[a-z][a-z0-9_]*$")
_BEGINNING = re.compile(r"0[1-9][0-9X]{0,11}")
_PHONE = re.compile(r"^\+[1-9]\d{6,14}$")


def parse_duration(value: object) -> timedelta:
    """`"15m"`, `"24h"`, `"90s"`, `"3d"` -> timedelta; ValueError names the accepted forms."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError('write a duration with its unit, for example "15m", "24h" or "3d"')
    return timedelta(seconds=float(match[1]) * _UNITS[match[2]])


def _parse_time(value: object) -> time:
    if isinstance(value, time):
        return value
    try:
        return time.fromisoformat(str(value))
    except ValueError:
        raise ValueError('write a time of day in quotes, for example "22:00"') from None


def _key(value: str) -> str:
    if not _KEY.match(value):
        raise ValueError("use small letters, digits and _ only, beginning with a letter")
    return value


def _phone(value: str) -> str:
    if not _PHONE.match(value):
        raise ValueError("write the number in international form, for example +6281234567890")
    return value


def _beginning(value: str) -> str:
    if not _BEGINNING.fullmatch(value):
        raise ValueError(
            "write how numbers begin when dialled in the country, for example 0809; X is any digit"
        )
    return value


def _picture(value: Path) -> Path:
    if value.suffix.lower() not in (".png", ".jpg", ".jpeg", ".svg"):
        raise ValueError("name a PNG, JPEG or SVG file")
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
TimeOfDay = Annotated[time, BeforeValidator(_parse_time)]
Key = Annotated[str, AfterValidator(_key)]
Phone = Annotated[str, AfterValidator(_phone)]
Beginning = Annotated[str, AfterValidator(_beginning)]
Port = Annotated[int, Field(ge=1, le=65535)]
Name = Annotated[str, Field(min_length=1, max_length=120)]


class Section(BaseModel):
    """A part of config.yaml: unknown keys are mistakes, values are typed strictly."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Programme(Section):
    """What the programme is called and where its clocks stand; `logo` stands on its papers.

    `languages`: those that callers are offered.
    """

    name: Name = "24 Jam Bangli Era Baru"
    phone: Name = "(0366) 5501000"
    regency: Name = "Kabupaten Bangli"
    logo: Annotated[Path, AfterValidator(_picture)] | None = None
    timezone: str = "Asia/Makassar"
    languages: tuple[Literal["id", "ban", "en"], ...] = ("id", "ban", "en")

    @property
    def zone(self) -> ZoneInfo:
        """The zone of all screens and quiet hours."""
        return ZoneInfo(self.timezone)


class Storage(Section):
    """Where things lie, and how much room (MB) there must be on their disks.

    Less than `low_below_mb`: people are told. Less than `stop_below_mb`: calls are not recorded.
    """

    state: Path = Path("var")
    recordings: Path = Path("recordings")
    database: str = "sqlite:///var/aduan24.db"
    retention_days: int = Field(default=365, ge=1, le=3650)
    low_below_mb: int = Field(default=2000, ge=1, le=1_000_000)
    stop_below_mb: int = Field(default=50, ge=1, le=1_000_000)

    @property
    def room(self) -> RoomLimits:
        """The same as limits in bytes."""
        return RoomLimits.of_mb(self.low_below_mb, self.stop_below_mb)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders whose disks must have room; the database's own when it is a file."""
        prefix = "sqlite:///"
        file = self.database.removeprefix(prefix) if self.database.startswith(prefix) else ""
        return (self.recordings, self.state, *([Path(file).parent] if file else []))


class Trunk(Section):
    """A SIP line of a carrier; the secret from ADUAN24_TRUNK_SECRET or `secret_file`.

    `port` is 5060, or 5061 where `transport` is tls, unless it is given.
    """

    host: str
    port: Port | None = None
    transport: Literal["udp", "tls"] = "udp"
    user: str
    secret_file: Path | None = None

    @property
    def at_port(self) -> int:
        """The port of the carrier's exchange."""
        return self.port or (5061 if self.transport == "tls" else 5060)


class LineTls(Section):
    """SIP over TLS with this certificate (PEM, with its chain) and key; `srtp`: encrypted sound."""

    certificate: Path
    key: Path
    port: Port = 5061
    srtp: Literal["none", "optional", "required"] = "optional"


class Emergency(Section):
    """Who answers when a caller presses the emergency key: a SIP address or a number."""

    destination: Annotated[
        str,
        Field(pattern=r"^(sip:[A-Za-z0-9+._-]{1,64}@[A-Za-z0-9.-]{1,255}(:\d{1,5})?|\+?\d{2,15})$"),
    ]


class Operator(Section):
    """A telephone of operators: it registers with this account, or has an address.

    The secret from ADUAN24_OPERATOR_<USER>_SECRET or `secret_file`; `address` is the SIP address
    of a telephone that does not register, and needs none.
    """

    user: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{1,31}$")]
    name: Name | None = None
    secret_file: Path | None = None
    address: (
        Annotated[
            str, Field(pattern=r"^sip:[A-Za-z0-9+._-]{1,64}@[A-Za-z0-9.-]{1,255}(:\d{1,5})?$")
        ]
        | None
    ) = None


class Queueing(Section):
    """Callers who wait for an operator, and operators between two calls.

    `missed_calls`: an operator who does not answer so many in a row is paused; `pauses`: the
    reasons that operators choose from, by key.
    """

    offer_seconds: int = Field(default=30, ge=5, le=300)
    longest_seconds: int = Field(default=600, ge=10, le=7200)
    most: int = Field(default=10, ge=1, le=1000)
    ring_seconds: int = Field(default=15, ge=5, le=120)
    wrap_up_seconds: int = Field(default=30, ge=0, le=600)
    missed_calls: int = Field(default=2, ge=1, le=10)
    pauses: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,19}$")], Name] = Field(
        default={
            "break": "Istirahat",
            "meal": "Makan",
            "prayer": "Sembahyang",
            "writing": "Menulis",
            "meeting": "Rapat",
        },
        min_length=1,
        max_length=20,
    )

    @property
    def rounds(self) -> int:
        """How often a caller is offered something else before the last time."""
        return max(0, -(-self.longest_seconds // self.offer_seconds) - 1)


class Recording(Section):
    """How long one clip may be and which silence ends it (seconds)."""

    max_seconds: int = Field(default=180, ge=10, le=900)
    silence_seconds: int = Field(default=4, ge=2, le=20)
    short_max_seconds: int = Field(default=10, ge=3, le=60)
    short_silence_seconds: int = Field(default=2, ge=1, le=10)
    silent_below_seconds: float = Field(default=0.5, ge=0.1, le=5)


class Status(Section):
    """How often somebody may ask for a complaint with a wrong PIN."""

    wrong_per_complaint: int = Field(default=3, ge=1, le=20)
    locked_for: Duration = timedelta(hours=1)
    wrong_per_caller_a_day: int = Field(default=5, ge=1, le=50)
    wrong_an_hour: int = Field(default=20, ge=1, le=1000)
    wrong_a_day: int = Field(default=60, ge=1, le=5000)


class CallsOut(Section):
    """Calls that the line places itself, through the trunk: call-backs, to officers, to citizens.

    `dial_as`: how the carrier wants numbers; `ring_seconds`: of a person's telephone;
    `operator_seconds`: of an operator's; `closing_tries`: how often a citizen is called to ask
    whether it is solved, 0: never. `never`: how numbers begin that are not dialled, whoever asks.
    `secret_file`: of the exchange's account that may place calls, or ADUAN24_DIALLER_SECRET;
    without either the program makes one.
    """

    dial_as: Literal["national", "plus"] = "national"
    at_once: int = Field(default=4, ge=1, le=100)
    ring_seconds: int = Field(default=40, ge=10, le=120)
    operator_seconds: int = Field(default=25, ge=10, le=120)
    closing_tries: int = Field(default=0, ge=0, le=10)
    never: tuple[Beginning, ...] = ("0809",)
    secret_file: Path | None = None


class TwilioCalls(Section):
    """Calls that come in through Twilio, with the account of notices.twilio.

    `emergency` and `operators` are who is called when a caller asks for them. `recording_hosts`
    are the hosts to which Twilio may send us for audio.
    """

    emergency: Phone | None = None
    operators: Phone | None = None
    recording_hosts: tuple[str, ...] = (
        "*.twilio.com",
        "*.twiliocdn.com",
        "s3.amazonaws.com",
        "*.s3.amazonaws.com",
        "s3-*.amazonaws.com",
    )


class Line(Section):
    """The telephone line. `call_back_from` and `_to`: the hours in which citizens are called."""

    enabled: bool = True
    node: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,16}$")] = "pbx1"
    bind: str = "127.0.0.1"
    public_address: Annotated[str, Field(pattern=r"^(\d{1,3}\.){3}\d{1,3}$")] | None = None
    sip_port: Port = 5060
    rtp_first: Port = 10000
    rtp_last: Port = 10999
    ami_port: Port = 5038
    agi_port: Port = 4573
    max_call_seconds: int = Field(default=600, ge=60, le=3600)
    max_calls: int = Field(default=60, ge=1, le=1000)
    max_calls_per_caller: int = Field(default=4, ge=1, le=1000)
    max_calls_per_source: int | None = Field(default=None, ge=1, le=1000)
    numbers_reserved: int = Field(default=5000, ge=10, le=100_000)
    silent_calls: int = Field(default=3, ge=2, le=100)
    call_back_from: TimeOfDay = time(8, 0)
    call_back_to: TimeOfDay = time(20, 0)
    status: Status = Status()
    recording: Recording = Recording()
    tls: LineTls | None = None
    trunk: Trunk | None = None
    emergency: Emergency | None = None
    operators: tuple[Operator, ...] = ()
    operators_ring: Literal["all", "least_recent"] = "all"
    calls_out: CallsOut | None = None
    waiting: Queueing = Queueing()
    twilio: TwilioCalls | None = None


class Web(Section):
    """The console and the officers' pages.

    `closing_pin`: an officer confirms the handling report with a PIN. `map_url` opens a map at
    `{place}`.
    """

    bind: str = "127.0.0.1"
    port: Port = 8024
    public_url: str = "http://127.0.0.1:8024"
    threads: int = Field(default=24, ge=4, le=128)
    session_hours: int = Field(default=10, ge=1, le=24)
    link_days: int = Field(default=30, ge=1, le=365)
    closing_pin: bool = True
    map_url: Annotated[str, Field(pattern=r"^https://[^\s{}]+\{place\}[^\s{}]*$")] = (
        "https://www.google.com/maps/search/?api=1&query={place}"
    )


class TemplateAnswer(Section):
    """Words that an operator puts into an order with one choice."""

    name: Name
    text: Annotated[str, Field(min_length=1, max_length=1000)]


def _ready_text(value: str) -> str:
    try:
        strange = holes_of(value) - HOLES
    except ValueError:
        strange = {"}"}
    if strange:
        known = ", ".join(f"{{{name}}}" for name in sorted(HOLES))
        raise ValueError(f"only {known} may stand in braces; take {sorted(strange)} out")
    return value


ReadyText = Annotated[str, Field(max_length=1000), AfterValidator(_ready_text)]


class ReadyAnswer(Section):
    """Words for a citizen, in Indonesian and where wanted in Balinese and English.

    {number}, {phone} and {programme} are filled in.
    """

    name: Name
    text: Annotated[ReadyText, Field(min_length=1)]
    ban: ReadyText = ""
    en: ReadyText = ""

    def said(self, language: str) -> str:
        """In the citizen's language, in Indonesian where it has none of that."""
        own = {"ban": self.ban, "en": self.en}.get(language)
        return own or self.text


class DeskMap(Section):
    """The map of the desk. `bounds`: south, west, north, east of the regency, with some room.

    `tiles`: the address of a tile server with {z}, {x} and {y}; without one the map is a grid.
    `credit`: whom the tiles' licence wants named.
    """

    bounds: tuple[float, float, float, float] = (-8.60, 115.15, -8.05, 115.55)
    tiles: Annotated[str, Field(pattern=r"^https://[A-Za-z0-9.-]+(:\d+)?/[^\s;,\"']*$")] | None = (
        None
    )
    credit: Annotated[str, Field(max_length=200)] = ""

    @property
    def edges(self) -> Bounds:
        """The bounds as the rules take them."""
        return Bounds(*self.bounds)


class Desk(Section):
    """The operators' desk.

    `claim_lasts`: a complaint comes free when who opened it gave no sign of work for so long.
    `emergency_words` are marked in what is typed; `answers` are ready orders to agencies,
    `replies` ready texts to citizens.
    """

    claim_lasts: Duration = timedelta(minutes=10)
    map: DeskMap = DeskMap()
    emergency_words: tuple[Annotated[str, Field(min_length=3, max_length=40)], ...] = (
        *("kebakaran", "terbakar", "api", "asap", "meledak", "ledakan", "banjir", "longsor"),
        *("gempa", "hanyut", "tenggelam", "kecelakaan", "tabrakan", "tertimpa", "tumbang"),
        *("pingsan", "sesak", "pendarahan", "melahirkan", "ambulans", "meninggal", "tewas"),
        *("kesetrum", "tersengat", "perkelahian", "kerusuhan", "dibacok", "darurat", "tolong"),
    )
    answers: tuple[TemplateAnswer, ...] = (
        TemplateAnswer(name="Periksa lokasi", text="Periksa lokasi dan laporkan hasilnya."),
        TemplateAnswer(
            name="Hubungi pelapor", text="Hubungi pelapor lebih dulu untuk memastikan lokasi."
        ),
        TemplateAnswer(name="Tangani segera", text="Tangani segera; ada bahaya bagi warga."),
    )
    replies: tuple[ReadyAnswer, ...] = (
        ReadyAnswer(
            name="Tanya lokasi",
            text="Di mana tepatnya? Tulis banjar, jalan dan patokan, atau kirim lokasi Anda.",
            en="Where exactly is it? Write banjar, road and landmark, or send your location.",
        ),
        ReadyAnswer(
            name="Minta foto",
            text="Bila aman, mohon kirim foto keadaannya lewat percakapan ini.",
            en="If it is safe, please send a photo of it in this chat.",
        ),
        ReadyAnswer(
            name="Sudah diteruskan",
            text="Terima kasih. Aduan {number} sudah kami teruskan ke instansi yang bertugas.",
            en="Thank you. Complaint {number} has been sent to the agency in charge.",
        ),
        ReadyAnswer(
            name="Darurat: telepon",
            text="Bila ada bahaya bagi orang, segera telepon {phone} dan tekan bintang.",
            en="If anybody is in danger, call {phone} at once and press the star key.",
        ),
    )


class Queue(Section):
    """Redis: `url` for one of your own, else an embedded Valkey on `port`."""

    url: str | None = None
    port: Port = 6390
    workers: int = Field(default=2, ge=1, le=64)

    @property
    def redis_url(self) -> str:
        """The address that workers and enqueuers use."""
        return self.url or f"redis://127.0.0.1:{self.port}/0"


class Speech(Section):
    """Speech to text by faster-whisper: a draft beside what the operator writes, off without this.

    `model`: a folder with a converted model; nothing is fetched. `language`: ISO 639-1, or auto.
    `memory_mb`: the most that the engine may take.
    """

    model: Path
    language: Annotated[str, Field(pattern=r"^([a-z]{2,3}|auto)$")] = "id"
    threads: int = Field(default=1, ge=1, le=32)
    memory_mb: int = Field(default=3000, ge=200, le=64_000)


class Window(Section):
    """The window; `time_scale` N makes every ladder time N times as fast (for exercises)."""

    length: Duration = timedelta(hours=24)
    time_scale: float = Field(default=1.0, ge=1.0, le=100_000.0)
    night_from: TimeOfDay = time(22, 0)
    night_to: TimeOfDay = time(6, 0)
    closing_after: Duration = timedelta(days=3)


class Waiting(Section):
    """How long a work may wait at a time, and how often that may be prolonged."""

    longest: Duration = timedelta(days=366)
    prolonged_at_most: int = Field(default=2, ge=0, le=50)


class DayOff(Section):
    """A day on which offices are closed."""

    day: date
    name: Name


class WorkingDays(Section):
    """The working-day clock of SP4N-LAPOR, apart from the 24 hours: terms in working days."""

    forward_within: int = Field(default=3, ge=1, le=60)
    act_within: int = Field(default=5, ge=1, le=60)
    close_after: int = Field(default=10, ge=1, le=60)
    days_off: tuple[DayOff, ...] = ()


class Rung(Section):
    """One step of the ladder."""

    key: Key
    after: Duration
    to: tuple[Post, ...] = Field(min_length=1)
    until: Until = Until.NEVER
    clock: Clock = Clock.DISPATCHED
    hold_at_night: bool = False
    missed: bool = False
    call: bool = False


class OwnLadder(Section):
    """An agency's own ladder; a class without one has everybody's."""

    report: tuple[Rung, ...] = ()
    emergency: tuple[Rung, ...] = ()


class Ladder(Section):
    """The ladders by class of complaint; `agencies` have some of their own, by key."""

    report: tuple[Rung, ...]
    emergency: tuple[Rung, ...]
    agencies: dict[Key, OwnLadder] = Field(default_factory=dict)


class Person(Section):
    """An officer, a head, a secretary or a holder of an office of the regency.

    `nip` is the number of a civil servant; it stands under a signature.
    """

    key: Key
    name: Name
    phone: Phone | None = None
    whatsapp: Phone | None = None
    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    nip: Annotated[str, Field(pattern=r"^[\d ]{5,30}$")] | None = None


class Letterhead(Section):
    """How an agency's papers begin; what is empty follows from the agency itself."""

    name: Annotated[str, Field(max_length=160)] = ""
    address: Annotated[str, Field(max_length=200)] = ""
    head_title: Annotated[str, Field(max_length=120)] = ""


Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEK: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class ShiftRow(Section):
    """Who is on duty on these days in [from, to); it may pass midnight."""

    days: tuple[Weekday, ...] = _WEEK
    begins: TimeOfDay = Field(default=time(0), alias="from")
    ends: TimeOfDay = Field(default=time(0), alias="to")
    officers: tuple[Key, ...] = Field(min_length=1)


class Roster(Section):
    """A team's duty plan; `holidays` are on duty on the calendar's days off instead."""

    week: tuple[ShiftRow, ...] = Field(min_length=1)
    holidays: tuple[Key, ...] = ()

    @property
    def plan(self) -> Plan:
        """As the rules take it."""
        shifts = tuple(
            Shift(frozenset(map(_WEEK.index, row.days)), row.begins, row.ends, row.officers)
            for row in self.week
        )
        return Plan(shifts, self.holidays)


class Agency(Section):
    """Who is responsible: head, secretary, and the rapid reaction team in duty order."""

    key: Key
    name: Name
    kind: Literal["OPD", "BUMD", "BUMN"] = "OPD"
    head: Person
    secretary: Person | None = None
    team: tuple[Person, ...] = Field(min_length=1)
    roster: Roster | None = None
    letterhead: Letterhead = Letterhead()


class Office(Person):
    """A post of the regency outside the agencies."""

    post: Post


class CategoryRow(Section):
    """One category of complaints, with the agency that usually answers it."""

    key: Key
    name: Name
    agency: Key
    emergency: bool = False
    words: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = ()


class Twilio(Section):
    """Twilio's account; the token from ADUAN24_TWILIO_AUTH_TOKEN or `auth_token_file`.

    `media_hosts`: where Twilio may send us for the files of citizens' messages; `media_mb`: larger
    ones are not fetched.
    """

    account_sid: Annotated[str, Field(pattern=r"^AC[0-9a-fA-F]{32}$")]
    auth_token_file: Path | None = None
    whatsapp_from: Phone | None = None
    sms_from: Phone | None = None
    api_url: str = "https://api.twilio.com"
    media_hosts: tuple[str, ...] = (
        "*.twilio.com",
        "*.twiliocdn.com",
        "s3-external-1.amazonaws.com",
    )
    media_mb: int = Field(default=20, ge=1, le=100)


class Smtp(Section):
    """The mail server; the password from ADUAN24_SMTP_PASSWORD or `password_file`."""

    host: str
    port: Port = 587
    user: str | None = None
    password_file: Path | None = None
    sender: str
    starttls: bool = True


class Notices(Section):
    """Which ways a notice may take, in this order; `screen` shows it in the console only.

    `receipts`: a citizen's mobile gets the number and the PIN of the complaint.
    `undelivered_after`, `undelivered_after_emergency`: a message that is not known to have
    arrived by then goes the next way as well.
    """

    channels: tuple[Literal["whatsapp", "sms", "call", "email", "screen"], ...] = ("screen",)
    receipts: bool = True
    undelivered_after: Duration = timedelta(minutes=10)
    undelivered_after_emergency: Duration = timedelta(minutes=1)
    twilio: Twilio | None = None
    smtp: Smtp | None = None


class Config(Section):
    """The whole deployment."""

    sample: bool = False
    programme: Programme = Programme()
    storage: Storage = Storage()
    line: Line = Line()
    web: Web = Web()
    desk: Desk = Desk()
    queue: Queue = Queue()
    speech: Speech | None = None
    window: Window = Window()
    waiting: Waiting = Waiting()
    calendar: WorkingDays = WorkingDays()
    ladder: Ladder
    agencies: tuple[Agency, ...] = Field(min_length=1)
    offices: tuple[Office, ...] = ()
    categories: tuple[CategoryRow, ...] = Field(min_length=1, max_length=21)
    notices: Notices = Notices()

    def own_rungs(self, urgency: Urgency, agency_key: str | None) -> tuple[Rung, ...]:
        """An agency's own ladder of a class; empty where it has none."""
        own = self.ladder.agencies.get(agency_key or "")
        return getattr(own, urgency.value) if own else ()

    def steps(
        self, urgency: Urgency, agency_key: str | None = None, *, scaled: bool = True
    ) -> tuple[Step, ...]:
        """The ladder of a class, or an agency's own; `scaled`: with `time_scale` applied."""
        usual: tuple[Rung, ...] = getattr(self.ladder, urgency.value)
        scale = self.window.time_scale if scaled else 1.0
        return tuple(
            Step(r.key, r.after / scale, r.to, r.until, r.clock, r.hold_at_night, r.missed, r.call)
            for r in self.own_rungs(urgency, agency_key) or usual
        )

    @property
    def window_length(self) -> timedelta:
        """The window's length, with `time_scale` applied."""
        return self.window.length / self.window.time_scale

    @property
    def night(self) -> Night:
        """The quiet hours in the programme's zone; an exercise that is run faster has none."""
        start, end = self.window.night_from, self.window.night_to
        if self.window.time_scale > 1:
            start = end
        return Night(start, end, self.programme.zone)

    @property
    def working_days(self) -> Calendar:
        """The calendar of offices, in the programme's zone."""
        return Calendar(frozenset(d.day for d in self.calendar.days_off), self.programme.zone)

    @property
    def national_limits(self) -> NationalLimits:
        """The terms of SP4N-LAPOR."""
        told = self.calendar
        return NationalLimits(told.forward_within, told.act_within, told.close_after)

    @property
    def no_call_backs(self) -> Night:
        """The hours in which no citizen is called, in the programme's zone."""
        return Night(self.line.call_back_to, self.line.call_back_from, self.programme.zone)

    @property
    def guessing(self) -> Limits:
        """What wrong PINs cost."""
        told, usual = self.line.status, Limits()
        return replace(
            usual,
            caller=GuessWindow(told.wrong_per_caller_a_day, usual.caller.length),
            own=replace(usual.own, free=told.wrong_per_caller_a_day),
            complaint=replace(
                usual.complaint, free=told.wrong_per_complaint, first=told.locked_for
            ),
            overall=(
                GuessWindow(told.wrong_an_hour, timedelta(hours=1)),
                GuessWindow(told.wrong_a_day, timedelta(days=1)),
            ),
        )

    @property
    def routing(self) -> tuple[Category, ...]:
        """The categories as the routing rules take them."""
        return tuple(
            Category(c.key, c.name, c.agency, c.emergency, c.words) for c in self.categories
        )

    def agency(self, key: str) -> Agency | None:
        """The agency with this key, or None."""
        return next((a for a in self.agencies if a.key == key), None)
