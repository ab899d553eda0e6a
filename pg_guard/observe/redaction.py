"""Texts without secrets. In: anything that is about to be logged. Out: the same with ``***`` in the place of what nobody may read.

Two nets, each for what the other misses: the values of this deployment's own secrets, however they are written, and patterns
of those that only clients and servers know (bearer tokens, keys, passwords in connection strings).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from pydantic import BaseModel, SecretStr

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["HIDDEN", "Redactor", "secrets_of"]

HIDDEN: Final = "***"
# A shorter one would turn every line into stars; the patterns still find it where passwords stand.
_SHORTEST: Final = 4
# Headers also say plain things, as the name of a tenant.
_SHORTEST_HEADER: Final = 8
_DEEPEST: Final = 6
_MOST_CHARACTERS: Final = 8_192
_MOST_ITEMS: Final = 100
_PASSWORD_PARAMETERS: Final = ("password", "sslpassword", "passfile")

# Lengths are bounded: a text of any kind takes time in proportion to its length.
_PATTERNS: Final = (
    (re.compile(r"\b([a-z][a-z0-9+.-]{1,30}://[^\s:/@]{0,200}:)\S{0,1000}(?=@)", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"(\bauthorization\b[\"']?\s{0,4}[:=,]\s{0,4}[b\"']{0,2}\w{1,20}\s{1,4})[^\s\"',]{1,4000}", re.IGNORECASE),
     rf"\1{HIDDEN}"),
    (re.compile(r"\b(bearer\s{1,4})[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(
        r"(\b(?:\w{0,40}_)?(?:password|passwd|pwd|passphrase|secret|token|api[_-]?key|credentials?)\b[\"']?"
        r"(?:\s{0,4}[=:]\s{0,4}|\s{1,4}(?=')))(b?'(?:[^'\\]|\\.|''){0,1000}'|b?\"(?:[^\"\\]|\\.){0,1000}\"|[^\s&,;\"'})\]]{1,1000})",
        re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"\b(?:sk-|pgg_)[A-Za-z0-9_-]{8,}"), HIDDEN),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]*"), HIDDEN),
    (re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.{0,8000}?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)", re.DOTALL),
     HIDDEN),
)  # fmt: skip

# A text without any of these is none of the patterns'; most texts are without.
_HINTS: Final = re.compile(
    r"://|authoriz|bearer|passw|pwd|passphrase|secret|token|api[_-]?key|credential|sk-|pgg_|eyJ|-----BEGIN",
    re.IGNORECASE,
)
# Names of fields, levels, statuses come again with every line.
_SHORT: Final = 64
_REMEMBERED: Final = 2_048


class Redactor:
    """Takes secrets out of texts.

    Args:
        secrets: Values that must not appear, beside what the patterns find.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
        # The longest first: one may hold another.
        ordered = sorted((each for each in spellings if len(each) >= _SHORTEST), key=lambda each: (-len(each), each))
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self._short = lru_cache(_REMEMBERED)(self._redacted)

    @classmethod
    def of(cls, *settings: BaseModel) -> Redactor:
        """For the secrets of settings, and those of environment variables of libpq and OpenTelemetry."""
        known = [secret for each in settings for secret in secrets_of(each)]
        return cls((*known, *_secrets_of_environment(os.environ)))

    def __repr__(self) -> str:
        return "Redactor()"

    def text(self, text: str) -> str:
        """The text without secrets; what is longer than 8192 characters is cut."""
        return self._short(text) if len(text) <= _SHORT else self._redacted(text)

    def _redacted(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        if len(text) > _MOST_CHARACTERS:
            text = f"{text[:_MOST_CHARACTERS]}… ({len(text)} characters)"
        if _HINTS.search(text):
            for pattern, replacement in _PATTERNS:
                text = pattern.sub(replacement, text)
        return text

    def value(self, value: Any, depth: int = 0) -> Any:
        """The same for any value, as JSON knows it; what JSON does not know becomes text."""
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self.text(bytes(value).decode("utf-8", "backslashreplace"))
        if depth < _DEEPEST and isinstance(value, Mapping):
            pairs = list(value.items())[:_MOST_ITEMS]
            return {self.text(str(key)): self._named(str(key), item, depth + 1) for key, item in pairs}
        if depth < _DEEPEST and isinstance(value, (list, tuple, set, frozenset)):
            return [self.value(item, depth + 1) for item in list(value)[:_MOST_ITEMS]]
        try:
            return self.text(str(value))
        except Exception as error:  # noqa: BLE001 - a log line must not fail on what it tells
            return f"({type(value).__name__}: {type(error).__name__})"

    def _named(self, name: str, value: Any, depth: int) -> Any:
        """What stands under a name that says that it is secret is hidden whatever it looks like."""
        return HIDDEN if value and _SECRET_NAME.fullmatch(name) else self.value(value, depth)


_SECRET_NAME: Final = re.compile(
    r"(?:\w{0,40}[_-])?(?:password|passwd|secret|api[_-]?key|authorization|token|cookie|private[_-]key)", re.IGNORECASE
)


def secrets_of(settings: BaseModel) -> Iterator[str]:
    """Every secret value of settings: keys as they are, of connection URIs the passwords."""
    yield from _secrets_in({name: getattr(settings, name) for name in type(settings).model_fields})


def _secrets_of_environment(environment: Mapping[str, str]) -> Iterator[str]:
    """Passwords of libpq and of the addresses of OpenTelemetry's exporters; their headers, as ``authorization=Bearer%20…,x-key=…``."""
    yield environment.get("PGPASSWORD", "")
    yield environment.get("PGSSLPASSWORD", "")
    for name, text in environment.items():
        if not name.startswith("OTEL_EXPORTER_OTLP_"):
            continue
        if name.endswith("_ENDPOINT"):
            yield from _secrets_of_text(text)
        elif name.endswith("_HEADERS"):
            for pair in text.split(","):
                value = unquote(pair.partition("=")[2].strip())
                # Of a scheme and a credential, the latter is the secret.
                secret = value.rpartition(" ")[2]
                if len(secret) >= _SHORTEST_HEADER:
                    yield secret


def _secrets_in(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield from _secrets_of_text(value.get_secret_value())
    elif isinstance(value, BaseModel):
        yield from secrets_of(value)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _secrets_in(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _secrets_in(each)


def _secrets_of_text(text: str) -> Iterator[str]:
    try:
        address = urlsplit(text)
        is_address = bool(address.scheme and "://" in text)
        password = address.password or ""
        parameters = parse_qsl(address.query)
    except ValueError:
        # Not even an address: all of it is secret.
        is_address, password, parameters = False, "", []
    if not is_address:
        yield text
        return
    # The rest of an address (host, user, database) is what an operator looks for in a log.
    for secret in (password, *(value for name, value in parameters if name in _PASSWORD_PARAMETERS)):
        yield secret
        yield unquote(secret)


def _spellings(secret: str) -> Iterator[str]:
    """How a secret can look inside of another text."""
    stripped = secret.strip()
    for each in {secret, stripped}:
        yield each
        yield quote(each, safe="")
        yield quote_plus(each)
        yield json.dumps(each)[1:-1]
        yield json.dumps(each, ensure_ascii=False)[1:-1]
        yield repr(each)[1:-1]
        # A repr inside of JSON, and the other way round.
        yield json.dumps(repr(each)[1:-1])[1:-1]
