"""The two UDP sockets of a call: SIP, and RTP on an even port."""

import contextlib
import socket
import sys
from typing import Final

from ivr.caller.sip import Address

_IP_RECVERR: Final = 11  # linux/in.h; Python names it from 3.14 on
_IS_LINUX: Final = sys.platform == "linux"


def open_sockets(peer: Address) -> tuple[socket.socket, socket.socket]:
    """One for SIP, one on an even port for RTP, on the address that leads to `peer`."""
    family = socket.AF_INET6 if ":" in peer[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(peer)
        host = probe.getsockname()[0]
    sip = _bound(family, host)
    if _IS_LINUX and family == socket.AF_INET:  # so that a closed port says so at once
        sip.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
    return sip, _bound(family, host, even=True)


def _bound(family: int, host: str, *, even: bool = False) -> socket.socket:
    """A UDP socket on a free port; RTP wants an even one (RFC 3550, section 11)."""
    rejected: list[socket.socket] = []
    try:
        while True:
            udp = socket.socket(family, socket.SOCK_DGRAM)
            udp.setblocking(False)
            udp.bind((host, 0))
            if not even or udp.getsockname()[1] % 2 == 0:
                return udp
            rejected.append(udp)
    finally:
        for each in rejected:
            each.close()


def send(udp: socket.socket, data: bytes, address: Address) -> None:
    """A datagram that cannot leave now is a datagram lost: SIP repeats it, audio does not."""
    with contextlib.suppress(OSError):
        udp.sendto(data, address)


def drop_errors(udp: socket.socket) -> None:
    """Empty the socket's error queue, or the selector would wake for it for ever."""
    if not _IS_LINUX:
        return
    with contextlib.suppress(OSError):
        while True:
            udp.recvmsg(1, 512, socket.MSG_ERRQUEUE)
