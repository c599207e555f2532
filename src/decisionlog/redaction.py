"""Secrets do not reach the disk: which keys name one, and how they are taken out of error texts."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

REDACTED = "[redacted]"

# A word of a key that gives it away wherever it stands, also when it is spelled as two.
_SECRET_WORDS = frozenset(
    "password passwords passwd passcode pwd passphrase secret secrets credential credentials "
    "authorization cookie cookies jwt bearer apikey apikeys apitoken accesskey accesstoken "
    "authkey authtoken clientsecret connectionstring csrftoken dbpassword encryptionkey idtoken "
    "masterkey passkey privatekey pgpassword pincode refreshtoken secretkey sessionid "
    "sessiontoken signingkey sshkey userpassword webhooksecret xapikey".split()
)
# `key`, `keys` and `tokens` are ordinary words ("primary_key", "max_tokens"), but not after these.
_QUALIFIERS = frozenset(
    "access account anthropic api app auth aws azure bearer bot client csrf deploy encryption hmac "
    "license master oauth openai personal private refresh secret security service session sign "
    "signing ssh ssl subscription tls webhook xsrf".split()
)
# Nor is a `token` always a secret, to a language model ("cost_per_token", "eos_token").
_ORDINARY_TOKENS = frozenset(
    "bos cls each eos every first last mask max min next pad per sep special stop unk".split()
)
_PASS_OF = frozenset("admin db ftp mail mysql pg postgres redis root smtp user".split())
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_KEY_CHARS = 1000


def is_secret(key: str) -> bool:
    """Whether a key of a mapping names a secret, in any of the usual spellings.

    >>> [is_secret(key) for key in ("OPENAI_API_KEY", "x-api-key", "dbPassword", "token")]
    [True, True, True, True]
    >>> [is_secret(key) for key in ("token_count", "max_tokens", "keyboard", "primary_key")]
    [False, False, False, False]
    """
    return _is_secret(key[-_KEY_CHARS:])


@lru_cache(8192)
def _is_secret(key: str) -> bool:
    words = [word.lower() for word in _WORDS.findall(key)]
    if not _SECRET_WORDS.isdisjoint(words) or words == ["auth"]:
        return True
    if words[-1:] == ["token"]:
        return len(words) == 1 or words[-2] not in _ORDINARY_TOKENS
    return any(
        before + word in _SECRET_WORDS
        or (word in ("key", "keys", "tokens") and before in _QUALIFIERS)
        or (word == "pass" and before in _PASS_OF)
        for before, word in pairwise(words)
    )


# Each alternative starts at the beginning of a word only, and stops where the next could start, so
# the time taken is linear. These are compiled when the first error comes (and `re` keeps them):
# that takes a tenth of what importing all of the package does.
_IN_TEXT = r"""
    (?P<scheme>\bbearer\s+) [\w.~+/=-]{6,}                             # Bearer abc…
    | (?P<url>(?<![\w+.-])[a-z][a-z0-9+.-]*://[^\s/:@]*:) [^\s/]+ (?=@)  # postgres://me:secret@host
    | (?P<key>(?<![\w.-])(?P<name>[\w.-]+(?:[ ][\w.-]+)?)                # api_key=…, "password": …
        \\{0,8}["']?\]?\s*[=:]+(?!//)>?\s*)
    """
_VALUE = r"""
    (?:bearer|basic)\s+\S+
    | [bru]{0,2}(?: "[^"\\]*(?:\\.[^"\\]*)*"? | '[^'\\]*(?:\\.[^'\\]*)*'? )
    | \\{1,8}(?: "[^"]*"? | '[^']*'? )
    | """
_FLAGS = re.VERBOSE | re.IGNORECASE | re.DOTALL
_SECRET = _VALUE + r"""[^\s,;&"'(){}\[\]]*"""
_HEADER = _VALUE + r"[^\r\n]*"
_BRACKET = re.compile(r"([(\[{])|[)\]}]")


def redact_text(text: str) -> str:
    """An error text without the secrets after `key=`, `key:`, `Bearer` and in URLs.

    >>> redact_text("401 for https://bob:hunter2@example.com?api_key=sk-12345 (password: 'x y')")
    '401 for https://bob:[redacted]@example.com?api_key=[redacted] (password: [redacted])'
    """
    kept: list[str] = []
    done = position = 0
    secrets = re.compile(_IN_TEXT, _FLAGS)
    while match := secrets.search(text, position):
        position = match.end()
        start = match.end(match.lastgroup or 0)
        if name := match["name"]:
            if not is_secret(name):
                continue
            position = _end_of_secret(text, start, name)
        if position > start:
            kept += text[done:start], REDACTED
            done = position
    return "".join(kept) + text[done:]


def _end_of_secret(text: str, start: int, name: str) -> int:
    # What a header holds may be several secrets; it goes as far as the line.
    is_header = name.lower().endswith(("authorization", "cookie", "cookies"))
    value = re.compile(_HEADER if is_header else _SECRET, _FLAGS).match(text, start)
    end = value.end() if value else start
    if text[end : end + 1] not in ("(", "[", "{"):
        return end
    depth = 0
    for bracket in _BRACKET.finditer(text, end):
        depth += 1 if bracket[1] else -1
        if depth == 0:
            return bracket.end()
    return len(text)
