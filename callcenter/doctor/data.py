"""Database, migrations, queue, clock and heartbeats, spool and quarantine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.orm import Session

from callcenter.config import Config, ConfigError
from callcenter.doctor.findings import Finding, failed, fine, warned
from callcenter.gateways import valkey
from callcenter.services import call_counts, ladders
from callcenter.services.alarms import all_standing
from callcenter.store.exchange_models import CallCount, ExchangeCall, ExchangeFile
from callcenter.store.models import Call, Heartbeat, Notice
from callcenter.store.session import Store, make_engine

_SILENT_AFTER = timedelta(seconds=60)
_BACKLOG_AFTER = timedelta(minutes=15)  # longer than any call
_SKEW = timedelta(seconds=5)
_REMEDIES = {
    "time": "set this machine's clock, or: aduan24 time trust",
    "duty": "name somebody on the console's page Piket, or mend the roster in config.yaml",
}
_REMEDIES = {"time": "set this machine's clock, or: aduan24 time trust"}
_LATELY = timedelta(days=30)
_UNCOUNTED_AFTER = timedelta(days=3)


def examine(config: Config, now: datetime) -> Iterator[Finding]:
    """Everything that is stored."""
    yield from _database(config, now)
    yield _queue(config)
    yield from _spool(config.storage.recordings, now)


def _database(config: Config, now: datetime) -> Iterator[Finding]:
    url = config.storage.database
    try:
        shown = make_url(url).render_as_string(hide_password=True)
        if (
            (file := make_url(url).database)
            and url.startswith("sqlite")
            and not Path(file).exists()
        ):
            yield warned("database", f"{shown} does not exist yet", "aduan24 up (or: migrate)")
            return
        engine = make_engine(url)
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except (ArgumentError, NoSuchModuleError, DBAPIError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        yield failed("database", reason, "start it, or correct storage.database")
        return
    yield fine("database", shown)
    migration = _migration(engine)
    yield migration
    if migration.level == "ok":
        with Store(engine).read() as session:
            yield from _contents(session, now)
            yield _ladder(session, config)


def _migration(engine: Engine) -> Finding:
    from callcenter.store.migrate import pending

    try:
        waiting = pending(engine)
    except ConfigError as error:
        return failed("migrations", error.mistakes[0], "")
    if waiting:
        return failed("migrations", f"{waiting} to do", "aduan24 migrate")
    return fine("migrations", "none to do")


def _contents(session: Session, now: datetime) -> Iterator[Finding]:
    yield from _heartbeats(session, now)
    latest = [
        session.scalar(select(func.max(column)))
        for column in (Call.filed_at, Notice.created_at, Heartbeat.at)
    ]
    ahead = max((moment - now for moment in latest if moment), default=timedelta(0))
    if ahead > _SKEW:
        seconds = int(ahead.total_seconds())
        yield failed(
            "clock",
            f"something was stored {seconds} s in the future",
            "set this machine's clock (timedatectl set-ntp true)",
        )
    else:
        yield fine("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC")
    yield from _alarms(session)
    yield from _calls(session, now)
    dead = session.scalar(select(func.count()).where(Notice.state == "dead")) or 0
    if dead:
        yield warned(
            "notices", f"{dead} could not be delivered", "aduan24 notices list --state dead"
        )


def _ladder(session: Session, config: Config) -> Finding:
    version = ladders.in_force(session)
    if version is None or version.digest == ladders.digest(ladders.rungs_of(config)):
        return fine("ladder", "the ladders in config.yaml are in force")
    return warned(
        "ladder",
        f"config.yaml differs from the ladders adopted {version.adopted_at:%Y-%m-%d %H:%M} UTC",
        "aduan24 ladder (what it changes), then: aduan24 ladder --apply",
    )


def _alarms(session: Session) -> Iterator[Finding]:
    for alarm in all_standing(session):
        yield failed(
            "alarm",
            f"{alarm.kind}: {alarm.level} since {alarm.since:%Y-%m-%d %H:%M:%S} UTC",
            _REMEDIES.get(alarm.kind, "mend what is named above; it ends by itself"),
        )


def _calls(session: Session, now: datetime) -> Iterator[Finding]:
    """Last night's count of calls, here and in the exchange's own record."""
    counts = call_counts.latest(session)
    for count in counts:
        said = (
            f"{count.node}, {count.day}: {count.in_exchange:,} calls in Asterisk, "
            f"{count.here:,} here"
        )
        if count.in_exchange != count.here:
            yield failed("calls", said, f"aduan24 calls reconcile --day {count.day}")
        elif now - count.counted_at > _UNCOUNTED_AFTER and _since(session, count):
            yield warned("calls", f"{said}; not counted since", "start the clock (aduan24 up)")
        else:
            yield fine("calls", said)
    if not counts:
        yield fine("calls", "no day has been counted yet")
    lately = ExchangeFile.read_at > now - _LATELY
    damaged = session.scalar(select(func.sum(ExchangeFile.unreadable)).where(lately)) or 0
    if damaged:
        yield warned(
            "record",
            f"{damaged} damaged lines in the exchange's own record (a crash or a power failure)",
            "aduan24 calls reconcile --days 30 tells whether a call is missing",
        )


def _since(session: Session, count: CallCount) -> bool:
    """Whether the exchange took calls after the day that was counted last."""
    latest = session.scalar(
        select(func.max(ExchangeCall.started_at)).where(ExchangeCall.node == count.node)
    )
    return latest is not None and latest > count.counted_at


def _heartbeats(session: Session, now: datetime) -> Iterator[Finding]:
    beats = session.scalars(select(Heartbeat).order_by(Heartbeat.part)).all()
    if not beats:
        yield warned("parts", "none has ever reported", "aduan24 up")
    for beat in beats:
        age = now - beat.at
        name = f"part {beat.part}"
        said = f"reported {max(0, int(age.total_seconds()))} s ago"
        if age > _SILENT_AFTER:
            yield warned(name, said, f"start it again (aduan24 up); look into log/{beat.part}.log")
        else:
            yield fine(name, said)


def _queue(config: Config) -> Finding:
    if config.queue.url is None:
        if valkey.answers(config.queue.port):
            return fine("queue", f"the embedded Valkey answers on port {config.queue.port}")
        return warned("queue", "the embedded Valkey does not run", "aduan24 up")
    import redis

    try:
        redis.Redis.from_url(config.queue.url, socket_timeout=2).ping()
    except (redis.RedisError, ValueError) as error:
        return failed("queue", f"queue.url: {error}", "start it, or correct queue.url")
    return fine("queue", "queue.url answers")


def _spool(recordings: Path, now: datetime) -> Iterator[Finding]:
    oldest = now - _BACKLOG_AFTER
    waiting = [p for p in _files(recordings / "spool") if p.stat().st_mtime < oldest.timestamp()]
    if waiting:
        yield warned(
            "spool",
            f"{len(waiting)} files of ended calls are not filed",
            "start the line process (aduan24 up); it files them within seconds",
        )
    else:
        yield fine("spool", "nothing waits")
    bad = [p for p in _files(recordings / "quarantine") if p.suffix != ".reason"]
    if bad:
        yield warned(
            "quarantine",
            f"{len(bad)} files that could not be used",
            f"read the .reason beside each in {recordings / 'quarantine'}",
        )
    else:
        yield fine("quarantine", "empty")


def _files(folder: Path) -> list[Path]:
    return [p for p in folder.iterdir() if p.is_file()] if folder.is_dir() else []
