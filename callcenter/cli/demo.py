"""The demonstration call of a new installation: a citizen phones the line, by real SIP."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from callcenter.cli.call import own_line, spoken, talk, told
from callcenter.cli.common import configuration, store_of
from ivr.prompts import SAMPLE

if TYPE_CHECKING:
    from callcenter.config import Config
    from ivr.caller import CallEvent
    from ivr.caller.g711 import Samples

COMPLAINT = (
    "Selamat pagi. Saya mau melapor. Lampu penerangan jalan di depan Pasar Kintamani sudah mati "
    "sejak tiga hari yang lalu. Jalan menjadi gelap dan berbahaya. Mohon segera diperbaiki. "
    "Terima kasih."
)
CALLER = "081200000000"
_FILED_WITHIN = 20.0


def by_phone() -> None:
    """Without a line: the test phone takes the same talk, from the same sound file."""
    config = configuration()
    _say("there is no telephone line here: the test phone speaks the complaint")
    _, number = talk(config, SAMPLE, "")
    _wait_until_filed(config, number)


def by_sip() -> None:
    """Phone the line, speak, listen, and look the complaint up: each step is a line of output."""
    from ivr.caller import CallPlan, place_call, speaking

    config = configuration()
    _say(f"phoning {own_line(config)} as a citizen would")
    plan = CallPlan(steps=speaking(_complaint()), caller=CALLER)
    result = place_call(own_line(config), plan, on_event=_Reporter())
    if not result.answered:
        _say(f"the line did not answer: {result.outcome} {result.reason}; try: aduan24 doctor")
        return
    facts = told(result, config)
    if any(p["prompt"] == "welcome_consent" for p in facts["prompts"]):
        _say("heard: the welcome and the consent, before the first recorded byte")
    if not facts["number"]:
        _say("no number was heard; try: aduan24 doctor")
        return
    from ivr.numbers import format_number

    _say(f"heard: the public number {format_number(facts['number'])}, read aloud")
    _wait_until_filed(config, facts["number"])


class _Reporter:
    """Turns what the caller reports into sentences."""

    def __init__(self) -> None:
        self._spoke = False

    def __call__(self, event: CallEvent) -> None:
        if event.what == "answered":
            _say("answered; listening to the welcome")
        elif event.what.startswith("say "):
            self._spoke = True
            _say(f"speaking for {event.what.removeprefix('say ')}: “{COMPLAINT}”")
        elif event.what == "done" and self._spoke:
            _say("spoken; pressing nothing, as many callers do")
        elif event.what.startswith("over"):
            _say(f"{event.what.removeprefix('over').strip(' ()') or 'over'}")


def _complaint() -> Samples:
    from ivr.caller import read_audio

    return read_audio(SAMPLE) if SAMPLE.is_file() else spoken(COMPLAINT)


def _wait_until_filed(config: Config, number: str) -> None:
    from sqlalchemy import select

    from callcenter.store.models import Complaint

    store = store_of(config)
    begin = time.monotonic()
    while time.monotonic() - begin < _FILED_WITHIN:
        with store.read() as session:
            found = session.scalar(select(Complaint).where(Complaint.public_number == number))
            if found is not None:
                seconds = sum(r.seconds for r in found.call.recordings) if found.call else 0.0
                _say(
                    f"filed as complaint {number} with {seconds:.1f} s of recording; "
                    f"see it at {config.web.public_url}"
                )
                return
        time.sleep(0.1)
    _say(f"complaint {number} is not filed yet; try: aduan24 doctor")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
