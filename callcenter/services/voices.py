"""What the line says, as an administrator sees and changes it: a person's voice for the machine's.

The sounds and their manifest are files (`ivr.prompts`); the database keeps who changed which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from callcenter.services import audit
from callcenter.services.errors import NotFound, Refused
from ivr import prompt_making
from ivr.prompt_making import SpeechUnavailable, Unusable
from ivr.prompt_manifest import Made, is_name, read_manifest
from ivr.prompts import MAIN, SHIPPED, known_texts, languages, texts
from ivr.speaking import Samples


@dataclass(frozen=True, slots=True)
class Studio:
    """Where the prompts lie and what they have to say; `names` as `spoken_names` gives them."""

    folder: Path
    retention_days: int
    names: Mapping[str, str]
    shipped: Path = SHIPPED


@dataclass(frozen=True, slots=True)
class Voice:
    """One prompt in one language.

    `made` describes the sound that is played (None: there is none); `borrowed` when that is the
    Indonesian one; `own` when the language has a text of its own.
    """

    language: str
    key: str
    text: str
    made: Made | None
    borrowed: bool
    own: bool

    @property
    def human(self) -> bool:
        """Spoken by a person, in this language."""
        return self.made is not None and self.made.human and not self.borrowed

    @property
    def stale(self) -> bool:
        """Whether the sound says another text than the table."""
        return self.made is not None and not self.borrowed and self.made.text != self.text

    @property
    def needless(self) -> bool:
        """Whether callers of this language seldom or never hear it: it is left in Indonesian."""
        return self.borrowed and not self.own

    @property
    def group(self) -> str:
        """sentence, word, name or borrowed."""
        if is_name(self.key):
            return "name"
        if self.needless:
            return "borrowed"
        return "sentence" if " " in self.text else "word"

    @property
    def thing(self) -> str:
        """Its name in audit rows."""
        return f"prompt:{self.language}/{self.key}"

    @property
    def path(self) -> str:
        """The sound that is played, below the prompts' folder."""
        return f"{MAIN if self.borrowed else self.language}/{self.key}.wav"


def voices(studio: Studio, language: str) -> list[Voice]:
    """All that can be recorded in a language, in the order of the table.

    Raises NotFound for an unknown language.
    """
    if language not in languages():
        raise NotFound("Bahasa ini tidak ada pada saluran telepon.")
    manifest = read_manifest(studio.folder)
    own, main = manifest.get(language, {}), manifest.get(MAIN, {})
    known = known_texts(language, studio.retention_days, extra=studio.names)
    ours = texts(language, studio.retention_days, extra=studio.names)
    return [
        Voice(
            language,
            key,
            text,
            made=own.get(key) or main.get(key),
            borrowed=language != MAIN and key not in own,
            own=key in ours,
        )
        for key, text in known.items()
        if not text.startswith(("tone:", "silence:"))
    ]


def voice(studio: Studio, language: str, key: str) -> Voice:
    """One prompt. Raises NotFound for an unknown one."""
    found = next((one for one in voices(studio, language) if one.key == key), None)
    if found is None:
        raise NotFound("Suara ini tidak ada dalam daftar.")
    return found


def usable(data: bytes) -> Samples:
    """A person's recording (any file of sound, from anywhere) at the level of the others.

    Raises Refused, which names the remedy, when it is no sound that can be used.
    """
    try:
        return prompt_making.human_sound(data)
    except Unusable as error:
        raise _refusal(error.why) from None


def record(
    session: Session,
    studio: Studio,
    language: str,
    key: str,
    sound: Samples,
    *,
    actor: str,
    now: datetime,
    address: str | None = None,
) -> None:
    """Put what `usable` gave in the place of a prompt; the next call hears it."""
    before = voice(studio, language, key)
    made = prompt_making.place_human(
        key, sound, studio.folder, language, studio.retention_days, extra=studio.names
    )
    audit.record(
        session,
        actor=actor,
        action="prompt_recorded",
        thing=before.thing,
        now=now,
        address=address,
        detail={"sha256": made.file_sha256, "seconds": made.seconds, **_before(before)},
    )


def revert(
    session: Session,
    studio: Studio,
    language: str,
    key: str,
    *,
    actor: str,
    now: datetime,
    address: str | None = None,
) -> None:
    """Give a prompt the machine's voice again. Raises Refused when it cannot be made here."""
    before = voice(studio, language, key)
    if not before.human:
        raise Refused("revert", "Suara ini sudah suara mesin.")
    try:
        prompt_making.revert(
            key,
            studio.folder,
            language,
            studio.retention_days,
            shipped=studio.shipped,
            extra=studio.names,
        )
    except SpeechUnavailable:
        raise Refused(
            "revert",
            "Suara mesin tidak dapat dibuat di komputer ini; pasang espeak-ng, lalu coba lagi. "
            "Rekaman Anda tetap dipakai.",
        ) from None
    audit.record(
        session,
        actor=actor,
        action="prompt_reverted",
        thing=before.thing,
        now=now,
        address=address,
        detail=_before(before),
    )


def _refusal(why: str) -> Refused:
    if why == "long":
        return Refused("recording", "Rekaman lebih dari satu menit; rekam lebih singkat.")
    if why == "silent":
        return Refused(
            "recording", "Tidak ada suara dalam rekaman; periksa mikrofon, lalu rekam lagi."
        )
    return Refused(
        "recording",
        "Berkas suara tidak dapat dibaca; kirim WAV, FLAC, OGG, atau MP3, atau rekam di sini.",
    )


def _before(one: Voice) -> dict[str, Any]:
    """What was in the place of a prompt of this language."""
    if one.made is None or one.borrowed:
        return {}
    return {"before_sha256": one.made.file_sha256, "before_human": one.made.human}
