"""Digest authentication for a 401 or 407 (RFC 7616, RFC 2617; SIP: RFC 3261 section 22, RFC 8760).

MD5 is what Asterisk and most registrars ask for; it authenticates, it does not protect.
"""

import contextlib
import hashlib
import re
import secrets
from typing import Final

from ivr.caller.sip import Account, BadMessage, Message

_PAIR: Final = re.compile(r'([A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))')
_AUTH: Final = {
    401: ("www-authenticate", "Authorization"),
    407: ("proxy-authenticate", "Proxy-Authorization"),
}
_PATIENCE: Final = 4
_HASHES: Final = {"MD5": "md5", "SHA-256": "sha256"}


class Keyring:
    """The credentials of one call: learns the challenge, signs what follows."""

    def __init__(self, account: Account | None) -> None:
        self._account = account
        self._challenge: dict[str, str] = {}
        self._header = ""
        self._signed = self._asked = 0

    def accept(self, message: Message) -> bool:
        """Take the challenge of a 401 or 407; False where asking again is of no use.

        A second challenge for the INVITE means a wrong secret, unless it calls the nonce stale.
        """
        header, answer = _AUTH[message.status]
        challenge = _first_known(message.all(header))
        if not self._account or challenge is None or self._asked >= _PATIENCE:
            return False
        fresh = challenge["nonce"] != self._challenge.get("nonce")
        stale = challenge.get("stale", "").lower() == "true"
        if self._challenge and message.cseq[1] == "INVITE" and not (stale and fresh):
            return False
        self._challenge, self._header = challenge, answer
        self._signed = 0
        self._asked += 1
        return True

    def credentials(self, method: str, uri: str) -> list[tuple[str, str]]:
        """The header for one request, none before the first challenge."""
        if not self._challenge or not self._account:
            return []
        self._signed += 1
        cnonce = secrets.token_hex(8)
        value = authorization(
            self._challenge, self._account, method, uri, cnonce=cnonce, count=self._signed
        )
        return [(self._header, value)]


def _first_known(values: list[str]) -> dict[str, str] | None:
    """The first challenge that we can answer: the line may offer several (RFC 8760)."""
    for value in values:
        with contextlib.suppress(BadMessage):
            return parse_challenge(value)
    return None


def parse_challenge(value: str) -> dict[str, str]:
    """The fields of WWW-Authenticate or Proxy-Authenticate, names in lower case.

    Raises BadMessage where we cannot answer it.
    """
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "digest":
        raise BadMessage(f"the line asks for {scheme[:20]!r} authentication, we know Digest")
    found = {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) or bare
        for name, quoted, bare in _PAIR.findall(rest)
    }
    if not found.get("nonce"):
        raise BadMessage("a challenge without a nonce")
    if found.get("algorithm", "MD5").upper() not in _HASHES:
        raise BadMessage("the line asks for a digest algorithm other than MD5 and SHA-256")
    return found


def authorization(
    challenge: dict[str, str],
    account: Account,
    method: str,
    uri: str,
    *,
    cnonce: str,
    count: int = 1,
) -> str:
    """The value of (Proxy-)Authorization for one request."""
    algorithm = challenge.get("algorithm", "MD5").upper()
    realm, nonce = challenge.get("realm", ""), challenge["nonce"]
    ha1 = _hash(algorithm, f"{account.user}:{realm}:{account.secret}")
    ha2 = _hash(algorithm, f"{method}:{uri}")
    fields = {"username": account.user, "realm": realm, "nonce": nonce, "uri": uri}
    bare = {"algorithm": challenge["algorithm"]} if "algorithm" in challenge else {}
    offered = [each.strip() for each in challenge.get("qop", "").lower().split(",")]
    if "auth" in offered:
        nc = f"{count:08x}"
        fields["response"] = _hash(algorithm, f"{ha1}:{nonce}:{nc}:{cnonce}:auth:{ha2}")
        fields["cnonce"] = cnonce
        bare |= {"qop": "auth", "nc": nc}
    else:
        fields["response"] = _hash(algorithm, f"{ha1}:{nonce}:{ha2}")
    if "opaque" in challenge:
        fields["opaque"] = challenge["opaque"]
    quoted = [f'{name}="{_escape(value)}"' for name, value in fields.items()]
    return "Digest " + ", ".join([*quoted, *(f"{name}={value}" for name, value in bare.items())])


def _hash(algorithm: str, text: str) -> str:
    return hashlib.new(_HASHES[algorithm], text.encode(), usedforsecurity=False).hexdigest()


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
