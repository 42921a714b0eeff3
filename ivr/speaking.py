"""Text to speech by espeak-ng, as 8 kHz 16 bit mono audio that a telephone carries well.

espeak-ng is found on PATH, or in ``parts.env`` of ``.parts`` (or of $ADUAN24_PARTS), where the
installation lists the copy that it unpacked without root.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

Samples = npt.NDArray[np.float32]

PARTS = Path(__file__).resolve().parents[1] / ".parts"
TARGET_DBFS = -20.0  # RMS of the spoken parts: G.711's usual speech level, ITU-T P.56
PEAK = 0.89  # -1 dBFS: room for the codec
_EDGE_S = 0.04
_TIMEOUT_S = 60


class SpeechUnavailable(RuntimeError):
    """Speech cannot be made on this machine; the message names the remedy."""


@dataclass(frozen=True)
class Espeak:
    """How espeak-ng is started: the beginning of its command line, and where its voices are."""

    command: tuple[str, ...]
    data: str = ""

    def environment(self) -> dict[str, str]:
        """The process's environment, with the voices of an unpacked copy."""
        return {**os.environ, **({"ESPEAK_DATA_PATH": self.data} if self.data else {})}


def find_espeak(parts: Path | None = None) -> Espeak:
    """espeak-ng of this machine. Raises SpeechUnavailable if there is none."""
    if found := shutil.which("espeak-ng"):
        return Espeak((found,))
    folder = parts or Path(os.environ.get("ADUAN24_PARTS") or PARTS)
    if espeak := _from_parts(folder / "parts.env"):
        return espeak
    raise SpeechUnavailable(
        "espeak-ng is not installed: `apt-get install espeak-ng`, or let `make up` fetch it"
    )


def _from_parts(listing: Path) -> Espeak | None:
    if not listing.is_file():
        return None
    lines = listing.read_text(encoding="utf-8").splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    program, loader = values.get("ESPEAK_BIN", ""), values.get("ESPEAK_LOADER", "")
    if not program:
        return None
    libraries = values.get("ESPEAK_LIBRARIES", "")
    start = (loader, "--library-path", libraries, program) if loader else (program,)
    return Espeak(start, values.get("ESPEAK_DATA", ""))


def speak(
    text: str,
    out: Path,
    voice: str = "id",
    rate: int = 8000,
    *,
    words_per_minute: int = 160,
    parts: Path | None = None,
) -> float:
    """Write `text` as a mono 16 bit WAVE file of `rate` Hz, levelled and trimmed.

    Returns its seconds. Raises SpeechUnavailable if espeak-ng is missing or fails.
    """
    samples = levelled(
        trimmed(spoken(text, voice, rate, words_per_minute=words_per_minute, parts=parts), rate),
        rate,
    )
    write(out, samples, rate)
    return len(samples) / rate


def spoken(
    text: str, voice: str, rate: int, *, words_per_minute: int = 160, parts: Path | None = None
) -> Samples:
    """espeak-ng's samples (-1 to 1) for `text`, resampled to `rate` Hz."""
    espeak = find_espeak(parts)
    command = [*espeak.command, "-v", voice, "-s", str(words_per_minute), "--stdout"]
    done = subprocess.run(
        command,
        input=text.encode(),
        capture_output=True,
        timeout=_TIMEOUT_S,
        check=False,
        env=espeak.environment(),
    )
    if done.returncode or not done.stdout:
        reason = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise SpeechUnavailable(f"espeak-ng could not speak with voice {voice!r}: {reason}")
    samples, made_at = soundfile.read(io.BytesIO(_sized(done.stdout)), dtype="float32")
    return resampled(samples, made_at, rate)


def resampled(samples: Samples, made_at: int, rate: int) -> Samples:
    """The same sound at `rate` Hz."""
    sound: Samples = np.asarray(soxr.resample(samples, made_at, rate), dtype=np.float32)
    return sound


def _sized(wave: bytes) -> bytes:
    """espeak-ng cannot seek in a pipe and leaves the sizes of its header at their maximum."""
    at = wave.find(b"data", 12) + 4
    riff, data = len(wave) - 8, len(wave) - at - 4
    return b"".join(
        [
            wave[:4],
            riff.to_bytes(4, "little"),
            wave[8:at],
            data.to_bytes(4, "little"),
            wave[at + 4 :],
        ]
    )


def trimmed(samples: Samples, rate: int) -> Samples:
    """Without the silence at both ends, but for 40 ms."""
    loud = np.flatnonzero(np.abs(samples) > 0.01 * max(float(np.abs(samples).max(initial=0)), 1e-6))
    if not len(loud):
        return samples
    edge = int(_EDGE_S * rate)
    return samples[max(0, loud[0] - edge) : loud[-1] + edge]


def loudness(samples: Samples, rate: int) -> float:
    """Level of the spoken parts in dBFS: RMS over the 20 ms frames within 25 dB of the loudest."""
    frame = rate // 50
    whole = samples[: len(samples) // frame * frame].reshape(-1, frame)
    power = np.square(whole.astype(np.float64)).mean(axis=1) if len(whole) else np.zeros(1)
    active = power[power >= power.max() * 10**-2.5]
    return float(10 * np.log10(max(float(active.mean()), 1e-12)))


def levelled(samples: Samples, rate: int, target: float = TARGET_DBFS) -> Samples:
    """With the spoken parts at `target` dBFS; peaks above -1 dBFS are rounded off."""
    gain = 10 ** ((target - loudness(samples, rate)) / 20)
    louder = samples * np.float32(gain)
    over = np.abs(louder) > PEAK / 2
    soft = np.sign(louder) * (PEAK / 2 + PEAK / 2 * np.tanh((np.abs(louder) - PEAK / 2) * 2 / PEAK))
    return np.where(over, soft, louder).astype(np.float32)


def write(out: Path, samples: Samples, rate: int) -> None:
    """Write samples as a 16 bit mono WAVE file."""
    soundfile.write(out, samples, rate, subtype="PCM_16", format="WAV")
