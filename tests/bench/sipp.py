"""SIPp (Debian's sip-tester) as hundreds of callers who speak: real SIP, real audio."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import soundfile

from ivr.caller.g711 import encode
from tests.bench.running import ROOT

_SCENARIO = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="a caller who only speaks">
  <send retrans="500"><![CDATA[
    INVITE sip:5501000@[remote_ip]:[remote_port] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    From: <sip:{prefix}[call_number]@[local_ip]:[local_port]>;tag=[pid]T[call_number]
    To: <sip:5501000@[remote_ip]:[remote_port]>
    Call-ID: [call_id]
    CSeq: 1 INVITE
    Contact: <sip:caller@[local_ip]:[local_port]>
    Max-Forwards: 70
    Content-Type: application/sdp
    Content-Length: [len]

    v=0
    o=- 1 1 IN IP[local_ip_type] [local_ip]
    s=-
    c=IN IP[media_ip_type] [media_ip]
    t=0 0
    m=audio [rtpstream_audio_port] RTP/AVP 8
    a=rtpmap:8 PCMA/8000
  ]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="181" optional="true"/>
  <recv response="183" optional="true"/>
  <recv response="200" rtd="true" rrs="true"/>
  <send><![CDATA[
    ACK [next_url] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    From: <sip:{prefix}[call_number]@[local_ip]:[local_port]>;tag=[pid]T[call_number]
    To: <sip:5501000@[remote_ip]:[remote_port]>[peer_tag_param]
    Call-ID: [call_id]
    CSeq: 1 ACK
    Max-Forwards: 70
    Content-Length: 0
  ]]></send>
  <nop><action><exec rtp_stream="{audio},-1,8,PCMA/8000"/></action></nop>
  <recv request="BYE" timeout="{patience_ms}"/>
  <send><![CDATA[
    SIP/2.0 200 OK
    [last_Via:]
    [last_From:]
    [last_To:]
    [last_Call-ID:]
    [last_CSeq:]
    Contact: <sip:caller@[local_ip]:[local_port]>
    Content-Length: 0
  ]]></send>
</scenario>
"""


class NoSipp(RuntimeError):
    """SIPp is not on this machine; the message says how to get it."""


@dataclass(frozen=True)
class Placed:
    """What became of the calls, as the callers saw it."""

    calls: int
    answered_and_ended: int
    failed: int
    most_at_once: int


def place(
    folder: Path, sip_port: int, *, calls: int, at_once: int, per_s: int, prefix: str
) -> Placed:
    """Place calls from numbers that begin with `prefix`; returns when the last one is over."""
    scenario, counts = folder / "caller.xml", folder / "calls.csv"
    patience_ms = 180_000
    audio = folder / "speech.al"
    scenario.write_text(
        _SCENARIO.replace("{prefix}", prefix)
        .replace("{audio}", str(audio))
        .replace("{patience_ms}", str(patience_ms)),
        encoding="ascii",
    )
    arguments = {
        "-sf": scenario,
        "-i": "127.0.0.1",
        "-m": calls,
        "-l": at_once,
        "-r": per_s,
        "-mp": 30000,
        "-rtp_threadtasks": 50,
        "-stf": counts,
        "-fd": 1,
    }
    words = [str(word) for pair in arguments.items() for word in pair]
    command = [*program(), f"127.0.0.1:{sip_port}", *words, "-trace_stat", "-trace_err", "-nostdin"]
    with (folder / "sipp.log").open("wb") as log:
        subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "TERM": "dumb"},
            stdout=log,
            stderr=log,
            check=False,
        )
    return _counted(counts, calls)


def program() -> list[str]:
    """The command that starts SIPp. Raises NoSipp."""
    parts = ROOT / ".parts" / "bench.env"
    found = dict(line.split("=", 1) for line in parts.read_text().split()) if parts.exists() else {}
    binary = found.get("SIPP_BIN") or shutil.which("sipp") or ""
    if not binary:
        raise NoSipp("no sipp here: run deploy/parts.sh --bench, or install sip-tester")
    if loader := found.get("SIPP_LOADER"):
        return [loader, "--library-path", found["SIPP_LIBRARIES"], binary]
    return [binary]


def speech(prompts: Iterable[Path], target: Path, seconds: float) -> None:
    """Spoken words without a pause, A-law, for callers to say over and over."""
    said = b""
    for prompt in prompts:
        samples, rate = soundfile.read(prompt, dtype="int16")
        assert rate == 8000
        said += encode(samples, "PCMA")
        if len(said) >= seconds * rate:
            break
    target.write_bytes(said)


def _counted(counts: Path, calls: int) -> Placed:
    with counts.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    last = rows[-1]
    ended = int(last["SuccessfulCall(C)"])
    return Placed(
        calls,
        ended,
        calls - ended,
        max(int(row["CurrentCall"]) for row in rows),
    )
