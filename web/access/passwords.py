"""Passwords as they are kept: what scrypt (RFC 7914) makes of them."""

import base64
import binascii
import hashlib
import hmac
import secrets
import unicodedata

SHORTEST, LONGEST = 10, 1000
"""Characters of a password."""
# Block size and parallelism as RFC 7914 advises; the cost takes 32 MiB and about a tenth of a second.
_COST, _BLOCK, _PARALLEL = 2**15, 8, 1
_MOST_COST = 2**20
_BYTES = 32


def password_hash(password: str) -> str:
    """`COST:BLOCK:PARALLEL:SALT:HASH`, another one every time. No sign in it means anything to a shell."""
    salt = secrets.token_bytes(16)
    hashed = _scrypt(password, salt, _COST, _BLOCK, _PARALLEL)
    return ":".join((str(_COST), str(_BLOCK), str(_PARALLEL), _text(salt), _text(hashed)))


def is_password(password: str, kept: str) -> bool:
    """Whether `kept` was made of this password. Takes a tenth of a second and 32 MiB, whatever the answer is."""
    try:
        cost, block, parallel, salt, hashed = kept.split(":")
        if not 1 < int(cost) * int(block) * int(parallel) <= _MOST_COST * _BLOCK:
            return False
        made = _scrypt(password[:LONGEST], _bytes(salt), int(cost), int(block), int(parallel))
        return hmac.compare_digest(made, _bytes(hashed)) and len(password) <= LONGEST
    except (ValueError, binascii.Error):
        return False


# What a name that is not there is checked against, so that nobody learns from the time which names are.
NOBODY = f"{_COST}:{_BLOCK}:{_PARALLEL}:{'A' * 22}:{'A' * 43}"


def _scrypt(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    # Twice what RFC 7914 says it takes.
    memory = 2 * 128 * block * (cost + parallel)
    return hashlib.scrypt(
        unicodedata.normalize("NFC", password).encode(),
        salt=salt,
        n=cost,
        r=block,
        p=parallel,
        maxmem=memory,
        dklen=_BYTES,
    )


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _bytes(value: str) -> bytes:
    return base64.b64decode(value + "=" * (-len(value) % 4), b"-_", validate=True)
