"""Renders the exchange's configuration and says how to start and control it.

The templates are in `dialplans/`. Everything is checked before the first file is written: a
value with a line feed or a semicolon in it would otherwise add a line to a configuration
that Asterisk obeys.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from callcenter.gateways.music import write_music
from callcenter.gateways.parts import Parts
from ivr.resting import RESTS_S

TEMPLATES = Path(__file__).resolve().parents[2] / "dialplans"

# Asterisk calls it an error when these are absent.
_DEFAULTS = (
    "acl.conf",
    "ccss.conf",
    "features.conf",
    "indications.conf",
    "pjproject.conf",
    "queuerules.conf",
    "stasis.conf",
    "udptl.conf",
)
_FOLDER = re.compile(r"/[A-Za-z0-9/._-]+")
_NODE = re.compile(r"[A-Za-z0-9]{1,32}")
_WORD = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SECRET = re.compile(r"[!#-:<-\[\]-~]{1,128}")  # printable, no quote, semicolon, backslash
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,253}[A-Za-z0-9])?")
_NUMBER = re.compile(r"\+?[0-9]{2,15}")
_BEGINNING = re.compile(r"0[1-9][0-9X]{0,11}")
_URI = re.compile(r"sip:[A-Za-z0-9+._-]{1,64}@([A-Za-z0-9.-]{1,255})(?::([0-9]{1,5}))?")
_USER = re.compile(r"[a-z][a-z0-9]{1,31}")
_TAKEN_USERS = frozenset({"line", "trunk", "emergency", "global"})  # our own endpoints' names
_LEAST_SECRET = 12  # an operator's account can be tried from the office network
_STRATEGIES = ("ringall", "leastrecent")
_SRTP = ("none", "optional", "required")
_SOCKET_PATH = 107  # sun_path of unix(7) without its closing zero


class SettingsError(ValueError):
    """A setting that cannot be rendered; the message names it and says what is allowed."""


@dataclass(frozen=True)
class Trunk:
    """The telephone company's exchange: the line registers there and takes its calls."""

    host: str
    user: str
    secret: str
    port: int = 5060
    transport: str = "udp"

    @property
    def server(self) -> str:
        """Its SIP address, as the configuration's language writes it."""
        by_tls = "\\;transport=tls" if self.transport == "tls" else ""
        return f"sip:{self.host}:{self.port}{by_tls}"


@dataclass(frozen=True)
class Tls:
    """SIP over TLS, and sound over SRTP: `srtp` is none, optional or required.

    `certificate` (with its chain) and `key` are PEM files; `authorities` are those whom we trust
    when we ourselves connect to the telephone company.
    """

    certificate: Path
    key: Path
    port: int = 5061
    srtp: str = "optional"
    authorities: Path = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class CallsOut:
    """The line places calls through the trunk: `plus` dials +62812..., else 0812...

    A person's telephone rings for `ring_seconds`, an operator's for `operator_seconds`. What begins
    like one of `never` (as it is dialled in the country, X for any digit) is refused.
    """

    plus: bool = False
    ring_seconds: int = 40
    operator_seconds: int = 25
    never: tuple[str, ...] = ()

    @property
    def refused(self) -> list[str]:
        """`never` as this trunk would dial it."""
        return ["62" + start[1:] if self.plus else start for start in self.never]


@dataclass(frozen=True)
class Operator:
    """A telephone that rings for callers: it registers here with a secret, or has an address
    (a SIP URI) where it is always found."""

    user: str
    secret: str = ""
    address: str = ""


@dataclass(frozen=True)
class AsteriskSettings:
    """All that the exchange needs to know. Folders are absolute, times are whole seconds.

    `state` holds etc, run, log, db of this exchange; `spool` and `numbers` are shared with
    the application; `prompts` holds the sound files, named without language and extension.
    `emergency` is a SIP URI, or a number that the trunk dials; empty: there is no such desk.
    `max_calls_per_source` is what one address may have at once besides the trunk; 0: no limit.
    `public_address` is ours on the internet, where this machine has another one (NAT).
    `utc_offset` is where the programme's day begins, seconds east of UTC.
    """

    node: str
    state: Path
    spool: Path
    prompts: Path
    numbers: Path
    ami_secret: str
    sip_port: int = 5060
    sip_bind: str = "127.0.0.1"
    sip_allow: tuple[str, ...] = ("127.0.0.1",)
    rtp_first: int = 10000
    rtp_last: int = 10999
    ami_port: int = 5038
    ami_user: str = "aduan24"
    dialler_secret: str = field(default="", repr=False)
    agi_port: int = 4573
    consent_version: str = "1"
    max_calls: int = 60
    record_seconds: int = 180
    silence_seconds: int = 5
    handover_seconds: int = 8
    max_calls_per_caller: int = 4
    max_calls_per_source: int = 0
    talk_seconds: int = 3600
    utc_offset: int = 0
    trunk: Trunk | None = None
    emergency: str = ""
    operators: tuple[Operator, ...] = ()
    operator_strategy: str = "ringall"
    calls_out: CallsOut | None = None
    tls: Tls | None = None
    public_address: str = ""
    ring_seconds: int = 15
    wrap_up_seconds: int = 30

    @property
    def resting(self) -> Path:
        """Who has just called and not spoken: `ivr.resting`."""
        return self.state / "resting"

    @property
    def rests_seconds(self) -> int:
        """For how long."""
        return RESTS_S

    @property
    def many_calls(self) -> int:
        """From so many calls on the crowd has its own places and no more."""
        return max(1, self.max_calls // 2)

    @property
    def places_of_the_crowd(self) -> int:
        """Calls at once of all who are hidden, have a call already, or have not spoken.

        A quarter, but two where that leaves a place for somebody else.
        """
        return max(1, min(max(2, self.max_calls // 4), self.max_calls - 1))

    @property
    def places_of_the_refused(self) -> int:
        """How many at once are told that the line is busy; the others hear the tone."""
        return max(1, self.max_calls // 2)

    @property
    def srtp(self) -> str:
        """Whether sound is encrypted: none, optional or required."""
        return self.tls.srtp if self.tls else "none"

    @property
    def etc(self) -> Path:
        """Where the rendered files are."""
        return self.state / "etc"

    @property
    def control_socket(self) -> Path:
        """Where the running exchange takes orders."""
        return self.state / "run" / "asterisk.ctl"

    @property
    def record(self) -> Path:
        """The folder of its own record of calls."""
        return self.state / "log" / "cel-custom"

    @property
    def connects(self) -> bool:
        """Whether a caller can talk to somebody."""
        return bool(self.emergency or self.operators)

    @property
    def dialler_user(self) -> str:
        """Who tells the manager to place calls."""
        return f"{self.ami_user}-dialler"

    @property
    def operators_user(self) -> str:
        """Who speaks to the manager about operators."""
        return f"{self.ami_user}-operators"

    @property
    def emergency_uri(self) -> str:
        """The emergency desk as a SIP URI; empty for a number of the trunk."""
        return self.emergency if self.emergency.startswith("sip:") else ""

    @property
    def emergency_channel(self) -> str:
        """What is dialled in an emergency."""
        return "PJSIP/emergency" if self.emergency_uri else f"PJSIP/{self.emergency}@trunk"

    def mistakes(self) -> Iterator[str]:
        """One sentence for each setting that cannot be rendered."""
        yield from _folder_mistakes(self)
        yield from _number_mistakes(self)
        yield from _word_mistakes(self)
        yield from _address_mistakes(self)
        yield from _people_mistakes(self)
        yield from _tls_mistakes(self)


def _tls_mistakes(settings: AsteriskSettings) -> Iterator[str]:
    tls, trunk = settings.tls, settings.trunk
    if trunk and trunk.transport not in ("udp", "tls"):
        yield f"trunk.transport: {trunk.transport!r} must be udp or tls"
    if trunk and trunk.transport == "tls" and tls is None:
        yield "trunk.transport: tls needs tls; add it or use udp"
    if tls is None:
        return
    for name in ("certificate", "key", "authorities"):
        if not _FOLDER.fullmatch(str(getattr(tls, name))):
            yield (
                f"tls.{name}: {str(getattr(tls, name))!r} must be an absolute path of letters, "
                "digits, / . _ - only"
            )
    if type(tls.port) is not int or not 1 <= tls.port <= 65535:
        yield f"tls.port: {tls.port!r} must be a whole number from 1 to 65535"
    if tls.srtp not in _SRTP:
        yield f"tls.srtp: {tls.srtp!r} must be one of {', '.join(_SRTP)}"


def _folder_mistakes(settings: AsteriskSettings) -> Iterator[str]:
    for name in ("state", "spool", "prompts", "numbers"):
        folder = str(getattr(settings, name))
        if not _FOLDER.fullmatch(folder) or ".." in Path(folder).parts:
            yield (
                f"{name}: {folder!r} must be an absolute path of letters, digits, / . _ - only; "
                "move the project or set another folder"
            )
    control = str(settings.control_socket)
    if len(control) > _SOCKET_PATH:
        yield f"state: {control} is longer than {_SOCKET_PATH} characters; set a shorter folder"


def _number_mistakes(settings: AsteriskSettings) -> Iterator[str]:
    limits = {
        "sip_port": (1, 65535),
        "ami_port": (1, 65535),
        "agi_port": (1, 65535),
        "rtp_first": (1024, 65535),
        "rtp_last": (1024, 65535),
        "max_calls": (1, 10000),
        "max_calls_per_caller": (1, 10000),
        "max_calls_per_source": (0, 10000),
        "talk_seconds": (60, 14400),
        "record_seconds": (5, 3600),
        "silence_seconds": (1, 60),
        "handover_seconds": (2, 60),
        "ring_seconds": (1, 120),
        "wrap_up_seconds": (0, 600),
        "utc_offset": (-86399, 86399),
    }
    for name, (low, high) in limits.items():
        value = getattr(settings, name)
        if type(value) is not int or not low <= value <= high:
            yield f"{name}: {value!r} must be a whole number from {low} to {high}"
            return
    if settings.rtp_last <= settings.rtp_first:
        yield "rtp_last: must be greater than rtp_first"


def _word_mistakes(settings: AsteriskSettings) -> Iterator[str]:
    rules = {
        "node": (_NODE, "1 to 32 letters and digits"),
        "ami_user": (_WORD, "letters, digits, . _ -"),
        "consent_version": (_WORD, "letters, digits, . _ -"),
    }
    for name, (rule, meaning) in rules.items():
        if not rule.fullmatch(getattr(settings, name)):
            yield f"{name}: {getattr(settings, name)!r} must be {meaning}"
    if not _SECRET.fullmatch(settings.ami_secret):
        yield "ami_secret: must be 1 to 128 printable characters without space, quote, ; and \\"
    if not settings.calls_out:
        return
    if not _SECRET.fullmatch(settings.dialler_secret):
        yield "dialler_secret: must be 1 to 128 printable characters without space, quote, ; and \\"
    if settings.dialler_secret == settings.ami_secret:
        yield "dialler_secret: must not be ami_secret; give the account that dials one of its own"


def _address_mistakes(settings: AsteriskSettings) -> Iterator[str]:
    if not _is_address(settings.sip_bind):
        yield f"sip_bind: {settings.sip_bind!r} must be an IPv4 address"
    if settings.public_address and not _is_address(settings.public_address):
        yield f"public_address: {settings.public_address!r} must be an IPv4 address"
    for network in settings.sip_allow:
        if not _is_network(network):
            yield f"sip_allow: {network!r} must be an IPv4 address or network"
    trunk = settings.trunk
    if settings.calls_out:
        yield from _calls_out_mistakes(settings.calls_out, trunk)
    if trunk is None:
        return
    if not _HOST.fullmatch(trunk.host):
        yield f"trunk.host: {trunk.host!r} must be a host name or an address"
    if not _WORD.fullmatch(trunk.user.removeprefix("+")):
        yield f"trunk.user: {trunk.user!r} must be letters, digits, . _ -"
    if not _SECRET.fullmatch(trunk.secret):
        yield "trunk.secret: must be printable characters without space, quote, ; and \\"
    if type(trunk.port) is not int or not 1 <= trunk.port <= 65535:
        yield f"trunk.port: {trunk.port!r} must be a whole number from 1 to 65535"


def _calls_out_mistakes(calls_out: CallsOut, trunk: Trunk | None) -> Iterator[str]:
    if trunk is None:
        yield "calls_out: needs a trunk to dial through"
    for name in ("ring_seconds", "operator_seconds"):
        value = getattr(calls_out, name)
        if type(value) is not int or not 1 <= value <= 120:
            yield f"calls_out.{name}: {value!r} must be a whole number from 1 to 120"
    for start in calls_out.never:
        if not _BEGINNING.fullmatch(start):
            yield f"calls_out.never: {start!r} must be digits that begin with 0, X for any digit"


def _people_mistakes(settings: AsteriskSettings) -> Iterator[str]:
    """An emergency desk and operators' accounts stand in files that Asterisk obeys."""
    yield from _emergency_mistakes(settings)
    users = [operator.user for operator in settings.operators]
    for user in users:
        if not _USER.fullmatch(user) or user in _TAKEN_USERS or users.count(user) > 1:
            yield (
                f"operators: {user!r} must be 2 to 32 small letters and digits, each user once, "
                f"none of {', '.join(sorted(_TAKEN_USERS))}"
            )
    for operator in settings.operators:
        if operator.address:
            if not _is_uri(operator.address):
                yield (
                    f"operators.{operator.user[:32]!r}: the address must be sip:user@host or "
                    "sip:user@host:port"
                )
            continue
        if not _SECRET.fullmatch(operator.secret) or len(operator.secret) < _LEAST_SECRET:
            yield (
                f"operators.{operator.user[:32]!r}: the secret must be {_LEAST_SECRET} to 128 "
                "printable characters without space, quote, ; and \\"
            )
    if settings.operator_strategy not in _STRATEGIES:
        yield f"operator_strategy: must be one of {', '.join(_STRATEGIES)}"


def _emergency_mistakes(settings: AsteriskSettings) -> Iterator[str]:
    where = settings.emergency
    if not where or (_NUMBER.fullmatch(where) and settings.trunk):
        return
    if _is_uri(where):
        return
    yield (
        f"emergency: {where!r} must be sip:user@host or sip:user@host:port, or with a trunk "
        "a number of 2 to 15 digits"
    )


def _is_uri(text: str) -> bool:
    uri = _URI.fullmatch(text)
    return bool(uri and _HOST.fullmatch(uri[1]) and (uri[2] is None or 0 < int(uri[2]) <= 65535))


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _is_network(text: str) -> bool:
    try:
        ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return False
    return True


def render(settings: AsteriskSettings, parts: Parts) -> None:
    """Write the configuration, each file whole or not at all, and make the folders it names.

    Raises SettingsError (before anything is written) with one line per mistake. Rendering
    again writes the same files; a running exchange reads them at its next start.
    """
    mistakes = list(settings.mistakes())
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    texts = _texts(settings, parts)
    _make_folders(settings)
    for name, text in texts.items():
        _write(settings.etc / name, text)
    if settings.connects or settings.calls_out:
        write_music(settings.state / "music" / "waiting.wav")


def _texts(settings: AsteriskSettings, parts: Parts) -> dict[str, str]:
    environment = _environment()
    known = {"s": settings, "parts": parts, "modules": _modules(parts)}
    texts = dict.fromkeys(_DEFAULTS, "; The defaults are right.\n")
    for name in environment.list_templates(extensions=["j2"]):
        texts[name.removesuffix(".j2")] = environment.get_template(name).render(known)
    return texts


def _modules(parts: Parts) -> frozenset[str]:
    """The modules of this Asterisk: some exist in newer versions only."""
    return frozenset(path.name for path in Path(parts.modules).glob("*.so"))


def _environment() -> Environment:
    """`<< >>` marks what is ours: `${ }` and `{ }` belong to the dialplan."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  # not HTML: every value was checked above
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _make_folders(settings: AsteriskSettings) -> None:
    """Recordings and callers' numbers are in there: the owner's alone."""
    names = (
        "etc",
        "varlib",
        "db",
        "keys",
        "agi",
        "spool",
        "run",
        "log/cel-custom",
        "cache",
        "music",
    )
    folders = (settings.spool, settings.numbers, settings.resting)
    for folder in (*folders, *(settings.state / name for name in names)):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _write(path: Path, text: str) -> None:
    """Secrets are in these files: readable by their owner alone from the first byte."""
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def command(settings: AsteriskSettings, parts: Parts) -> list[str]:
    """The command line that runs the exchange in the foreground, as the present user.

    No -U: it would drop the rights that root needs to open its own files. Raises PartsError
    when Asterisk is not on this machine.
    """
    return [*parts.need_asterisk(), "-C", str(settings.etc / "asterisk.conf"), "-g", "-f"]


def control(settings: AsteriskSettings, parts: Parts, order: str) -> list[str]:
    """The command line that gives the running exchange one order, such as "core stop now"."""
    if not re.fullmatch(r"[a-z0-9 _-]+", order):
        raise SettingsError(f"order: {order!r} must be lower-case words")
    return [*parts.need_asterisk(), "-C", str(settings.etc / "asterisk.conf"), "-rx", order]


__all__ = [
    "AsteriskSettings",
    "CallsOut",
    "Operator",
    "SettingsError",
    "Tls",
    "Trunk",
    "command",
    "control",
    "render",
]
