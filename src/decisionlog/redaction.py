"""Secrets do not reach the disk: which keys name one, and how they are taken out of error texts."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

REDACTED = "[redacted]"

# A word of a key that gives it away wherever it stands.
_SECRET_WORDS = frozenset(
    "password passwords passwd passcode pwd passphrase secret secrets credential credentials "
    "authorization cookie cookies jwt bearer apikey apikeys apitoken accesskey accesstoken "
    "authkey authtoken clientsecret connectionstring csrftoken dbpassword encryptionkey idtoken "
    "masterkey passkey privatekey pgpassword pincode refreshtoken secretkey sessionid "
    "sessiontoken signingkey sshkey userpassword webhooksecret xapikey".split()
)
# `key`, `keys` and `tokens` are ordinary words ("primary_key", "max_tokens"), but not after these.
_QUALIFIERS = frozenset(
    "access account api app auth bearer bot client csrf deploy encryption hmac id license master "
    "oauth personal private refresh secret security service session sign signing ssh ssl "
    "subscription tls webhook xsrf".split()
)
_PASS_OF = frozenset("admin db ftp mail mysql pg postgres redis root smtp user".split())
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@lru_cache(8192)
def is_secret(key: str) -> bool:
    """Whether a key of a mapping names a secret, in any of the usual spellings.

    >>> [is_secret(key) for key in ("OPENAI_API_KEY", "x-api-key", "dbPassword", "token")]
    [True, True, True, True]
    >>> [is_secret(key) for key in ("token_count", "max_tokens", "keyboard", "primary_key")]
    [False, False, False, False]
    """
    words = [word.lower() for word in _WORDS.findall(key[:200])]
    if not words:
        return False
    if not _SECRET_WORDS.isdisjoint(words) or "".join(words) in _SECRET_WORDS:
        return True
    if words[-1] == "token":
        return True
    return any(
        (word in ("key", "keys", "token", "tokens") and before in _QUALIFIERS)
        or (word == "pass" and before in _PASS_OF)
        for before, word in pairwise(words)
    )


_IN_TEXT = re.compile(
    r"""
    (?P<scheme>\b(?:bearer|basic)\s+) [\w.~+/=-]{6,}                      # Bearer abc…
    | (?P<url>(?<![\w+.-])[a-z][a-z0-9+.-]*://[^\s/:@]*:) [^\s/@]+ (?=@)  # postgres://me:secret@host
    | (?P<key>(?<![\w.-])[a-z][\w.-]*) ["']?\s*[=:]\s*                   # api_key=…, "password": …
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"""(?:bearer|basic)\s+\S+ | "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | [^\s,;&"'{}()\[\]]*""",
    re.VERBOSE | re.IGNORECASE,
)


def redact_text(text: str) -> str:
    """An error text without the secrets after `key=`, `key:`, `Bearer` and in URLs.

    >>> redact_text("401 for https://bob:hunter2@example.com?api_key=sk-12345 (password: 'x y')")
    '401 for https://bob:[redacted]@example.com?api_key=[redacted] (password: [redacted])'
    """
    kept: list[str] = []
    done = position = 0
    while match := _IN_TEXT.search(text, position):
        position = match.end()
        secret_from = match.end("scheme" if match["scheme"] else "url")
        if match["key"]:
            if not is_secret(match["key"]):
                continue
            secret_from = match.end()
            value = _SECRET_VALUE.match(text, secret_from)
            position = value.end() if value else secret_from
        if position > secret_from:
            kept += text[done:secret_from], REDACTED
            done = position
    return "".join(kept) + text[done:]
