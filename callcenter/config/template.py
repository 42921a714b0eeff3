"""The commented configuration that `aduan24 init` writes: the one this project ships."""

from __future__ import annotations

import re
from pathlib import Path

TEMPLATE = Path(__file__).with_name("template.yaml")

_RTP_PORTS = 200


def rendered(first_port: int | None = None) -> str:
    """The template's text; with `first_port` all ports move to a block that begins there.

    That is how a second deployment lives beside the first: it needs 210 free ports.
    """
    text = TEMPLATE.read_text(encoding="utf-8")
    if first_port is None:
        return text
    web = first_port + 3
    for section, key, value in (
        ("line", "sip_port", first_port),
        ("line", "ami_port", first_port + 1),
        ("line", "agi_port", first_port + 2),
        ("web", "port", web),
        ("queue", "port", first_port + 4),
        ("line", "rtp_first", first_port + 10),
        ("line", "rtp_last", first_port + 9 + _RTP_PORTS),
    ):
        text = _set(text, section, key, str(value))
    return _set(text, "web", "public_url", f"http://127.0.0.1:{web}")


def _set(text: str, section: str, key: str, value: str) -> str:
    """The value of a key of a top-level section replaced, its comment kept."""
    pattern = rf"(?m)^({section}:\n(?:[ #][^\n]*\n|\n)*?  {key}: )\S+"
    changed, count = re.subn(pattern, rf"\g<1>{value}", text, count=1)
    if count != 1:
        raise ValueError(f"the template has no {section}.{key}")
    return changed
