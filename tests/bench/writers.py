"""Writers of whole complaints, in a process of their own.

    python -m tests.bench.writers DATABASE THREADS COUNT FIRST

"ready" is printed, then, for each line on standard input, the seconds of each transaction: a call
is filed (call, recording, complaint, event), written down, and sent to an agency (ticket, events,
step, link, notice in the outbox), all of it in one durable transaction. Serials begin at FIRST.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import count

from callcenter.config.load import load
from callcenter.services import desk, dispatch, intake
from callcenter.services.intake import Clip, HeardCall
from callcenter.services.rules import Rules
from callcenter.store.session import Store, make_engine
from callcenter.wiring import rules_of
from ivr.numbers import make_number
from tests.bench.running import ROOT
from tests.services.conftest import T0, TYPED


def take_in(store: Store, rules: Rules, serial: int) -> None:
    """One call, filed and sent to PUPR, in one transaction."""
    now = T0
    with store.write() as db:
        call = intake.file_call(db, _heard(serial, now), now=now, silent_below=1.0)
        assert call.complaint
        complaint_id = call.complaint.id
        form = desk.DeskForm(**TYPED)
        desk.save(db, complaint_id, form, actor="operator", now=now, rules=rules)
        dispatch.dispatch(
            db, complaint_id, agency_key="pupr", order="", actor="operator", now=now, rules=rules
        )


def _heard(serial: int, now: datetime) -> HeardCall:
    uid = f"pbx1-1772416800.{serial}"
    clip = Clip("complaint", 1, f"calls/2026/03/02/{uid}/complaint-1.wav", "0" * 64, 192044, 12, 9)
    return HeardCall(
        call_uid=uid,
        line="pbx1",
        caller_raw="08123456789",
        called="100",
        started_at=now,
        ended_at=now + timedelta(seconds=40),
        cause="16",
        mode="app",
        consent_at=now,
        number=make_number(serial),
        number_heard=True,
        path=tuple((now.timestamp() + n, "step", str(n)) for n in range(10)),
        clips=(clip,),
    )


def main(url: str, threads: int, each: int, first: int) -> None:
    store, rules = Store(make_engine(url)), rules_of(load(ROOT / "config.yaml"))
    serials = count(first)

    def write(_number: int) -> list[float]:
        taken = []
        for _ in range(each):
            began = time.perf_counter()
            take_in(store, rules, next(serials))
            taken.append(time.perf_counter() - began)
        return taken

    take_in(store, rules, next(serials))  # the first statement of a process finds nothing warm
    print("ready", flush=True)
    for _line in sys.stdin:
        with ThreadPoolExecutor(threads) as pool:
            parts = list(pool.map(write, range(threads)))
        print(json.dumps([taken for part in parts for taken in part]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
