"""The schemes by which senders sign their webhooks."""

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from headwater.errors import DeclarationError, RequestInvalidError, SignatureInvalidError
from headwater.functions.context_services import Configuration
from headwater.functions.http_fields import Headers
from headwater.functions.http_messages import read_json
from headwater.services.webhook_secrets import Secrets

TOLERANCE_SECONDS: Final = 300
"""How far the time of a signature may be from now; what Stripe and Standard Webhooks recommend."""

_ID_CHARACTERS: Final = 256
_SECONDS: Final = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook as it came.

    Attributes:
        headers: Its headers.
        body: Its body.
        now_seconds: The time of the database, seconds since the epoch.
        env: The settings of the database.
    """

    headers: Headers
    body: bytes
    now_seconds: float
    env: Configuration


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verifier has found.

    Attributes:
        event_id: What makes the event distinct among those of its path: 1 to 256 characters. Every
            delivery of the same event has the same.
        sent_seconds: When it was signed, seconds since the epoch; None if nobody says so.
    """

    event_id: str
    sent_seconds: float | None = None


class Verifier(Protocol):
    """Tells the webhooks of one sender from those of everybody else."""

    def verify(self, delivery: Delivery) -> Verified:
        """Look at a delivery.

        Raises:
            SignatureInvalidError: It was not signed by the sender, or too long ago.
            RequestInvalidError: It was, and makes no sense all the same.
        """
        ...


class SignedVerifier:
    """A verifier of signatures by secrets.

    Args:
        secrets: Of the sender.
        tolerance_seconds: How far the time of a signature may be from now.
    """

    def __init__(self, secrets: Secrets, tolerance_seconds: float = TOLERANCE_SECONDS) -> None:
        if not tolerance_seconds > 0:
            raise DeclarationError(
                f"webhooks.{secrets.declared}(tolerance_seconds={tolerance_seconds!r}): expected a "
                "number above 0"
            )
        self._secrets = secrets
        self._tolerance_seconds = tolerance_seconds

    def check(self, settings: Configuration) -> None:
        """Find the secrets, before there is a delivery.

        Raises:
            ConfigurationMissingError: A setting is not there, or holds no secret.
        """
        self._secrets.keys(settings)


class StripeVerifier(SignedVerifier):
    """The time and any number of signatures in one header."""

    def verify(self, delivery: Delivery) -> Verified:
        """Look at a delivery; see `Verifier`."""
        parts = [
            part.strip().partition("=")
            for part in _single(delivery.headers, "Stripe-Signature").split(",")
        ]
        times = [value for name, _, value in parts if name == "t"]
        if len(times) != 1:
            raise SignatureInvalidError(f"Stripe-Signature has {len(times)} times, expected one")
        sent = _recent(times[0], delivery.now_seconds, self._tolerance_seconds)
        message = times[0].encode("ascii") + b"." + delivery.body
        expected = [_digest(key, message, "sha256") for key in self._secrets.keys(delivery.env)]
        given = [value for name, _, value in parts if name == "v1"]
        _match(given, [digest.hex() for digest in expected])
        return Verified(_id_in(delivery.body, "id"), sent)


class StandardVerifier(SignedVerifier):
    """Standard Webhooks: id, time and signatures in a header each.

    Args:
        secrets: Of the sender.
        families: What the names of the headers may begin with.
        tolerance_seconds: How far the time of a signature may be from now.
    """

    def __init__(self, secrets: Secrets, families: Sequence[str], tolerance_seconds: float) -> None:
        super().__init__(secrets, tolerance_seconds)
        self._families = families

    def verify(self, delivery: Delivery) -> Verified:
        """Look at a delivery; see `Verifier`."""
        headers = delivery.headers
        family = next((f for f in self._families if f"{f}-id" in headers), self._families[-1])
        event_id = checked_id(_single(headers, f"{family}-id"))
        timestamp = _single(headers, f"{family}-timestamp")
        sent = _recent(timestamp, delivery.now_seconds, self._tolerance_seconds)
        message = f"{event_id}.{timestamp}.".encode("latin-1") + delivery.body
        expected = [_digest(key, message, "sha256") for key in self._secrets.keys(delivery.env)]
        signatures = _single(headers, f"{family}-signature").split(" ")
        versions = [signature.partition(",") for signature in signatures]
        given = [value for version, _, value in versions if version == "v1"]
        _match(given, [b64encode(digest).decode("ascii") for digest in expected])
        return Verified(event_id, sent)


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a sender signs."""

    header: str
    algorithm: str
    encoding: str
    prefix: str
    signed: str

    def check(self, timestamp: str | None, id_header: str | None, id_field: str | None) -> None:
        """Refuse what does not fit together."""
        names = re.findall(r"\{(\w*)\}", self.signed)
        given = {"timestamp": timestamp, "id": id_header, "body": "body"}
        problem = ""
        if names.count("body") != 1 or len(names) != len(set(names)):
            problem = f"signed={self.signed!r}: expected {{body}} once, and no name twice"
        elif unknown := [name for name in names if given.get(name) is None]:
            problem = f"signed={self.signed!r}: {{{unknown[0]}}} is not known: name its header"
        elif timestamp is not None and "timestamp" not in names:
            problem = "a time that is not signed proves nothing: let signed= have {timestamp}"
        elif self.algorithm not in {"sha256", "sha512", "sha1"}:
            problem = f"algorithm={self.algorithm!r}: expected 'sha256', 'sha512' or 'sha1'"
        elif self.encoding not in {"hex", "base64"}:
            problem = f"encoding={self.encoding!r}: expected 'hex' or 'base64'"
        elif not (self.prefix + self.signed).isascii():
            problem = "prefix= and signed= are ASCII"
        elif id_header is not None and id_field is not None:
            problem = "expected id_header or id_field, got both"
        if problem:
            raise DeclarationError(f"webhooks.hmac: {problem}")

    def message(self, body: bytes, **texts: str) -> bytes:
        """What was signed."""
        before, _, after = self.signed.partition("{body}")
        for name, text in texts.items():
            before = before.replace(f"{{{name}}}", text)
            after = after.replace(f"{{{name}}}", text)
        return before.encode("latin-1") + body + after.encode("latin-1")

    def written(self, digest: bytes) -> str:
        """A signature as the header has it."""
        if self.encoding == "hex":
            return self.prefix + digest.hex()
        return self.prefix + b64encode(digest).decode("ascii")


class HmacVerifier(SignedVerifier):
    """One signature in a header; what is signed is up to the sender."""

    def __init__(
        self,
        secrets: Secrets,
        scheme: Scheme,
        *,
        timestamp_header: str | None = None,
        id_header: str | None = None,
        id_field: str | None = None,
        tolerance_seconds: float = TOLERANCE_SECONDS,
    ) -> None:
        super().__init__(secrets, tolerance_seconds)
        self._scheme = scheme
        self._timestamp_header = timestamp_header
        self._id_header = id_header
        self._id_field = id_field

    def verify(self, delivery: Delivery) -> Verified:
        """Look at a delivery; see `Verifier`."""
        headers, scheme = delivery.headers, self._scheme
        texts: dict[str, str] = {}
        sent = None
        if self._timestamp_header is not None:
            texts["timestamp"] = _single(headers, self._timestamp_header)
            sent = _recent(texts["timestamp"], delivery.now_seconds, self._tolerance_seconds)
        if self._id_header is not None:
            texts["id"] = checked_id(_single(headers, self._id_header))
        message = scheme.message(delivery.body, **texts)
        keys = self._secrets.keys(delivery.env)
        expected = [scheme.written(_digest(key, message, scheme.algorithm)) for key in keys]
        _match([_single(headers, scheme.header)], expected)
        return Verified(texts.get("id") or self._id_of(delivery.body), sent)

    def _id_of(self, body: bytes) -> str:
        if self._id_field is not None:
            return _id_in(body, self._id_field)
        from hashlib import sha256

        return f"sha256:{sha256(body).hexdigest()}"


def _digest(key: bytes, message: bytes, algorithm: str) -> bytes:
    from hmac import digest

    return digest(key, message, algorithm)


def _match(given: Iterable[str], expected: Sequence[str]) -> None:
    """Every signature is compared with every expected one, however early one fits."""
    from hmac import compare_digest

    is_right = False
    for signature in given:
        for right in expected:
            is_right |= compare_digest(signature.encode("latin-1", "replace"), right.encode())
    if not is_right:
        raise SignatureInvalidError("no signature is right: another secret, or another body")


def _single(headers: Headers, name: str) -> str:
    values = headers.get_all(name)
    if len(values) != 1:
        raise SignatureInvalidError(f"expected one header {name}, got {len(values)}")
    return values[0]


def _recent(text: str, now_seconds: float, tolerance_seconds: float) -> float:
    """A time in seconds that is near enough."""
    if _SECONDS.fullmatch(text) is None:
        raise SignatureInvalidError("the time of the signature is no number of seconds")
    age = now_seconds - int(text)
    if abs(age) > tolerance_seconds:
        when = f"{age:.0f} s old" if age > 0 else f"{-age:.0f} s ahead"
        raise SignatureInvalidError(
            f"the signature is {when}, and may be {tolerance_seconds:g} s: an old delivery was "
            "sent again by somebody, or one of the clocks is wrong"
        )
    return float(text)


def checked_id(event_id: object) -> str:
    """The id of an event.

    Raises:
        RequestInvalidError: It cannot be one.
    """
    if isinstance(event_id, str) and 0 < len(event_id) <= _ID_CHARACTERS and _is_whole(event_id):
        return event_id
    raise RequestInvalidError(
        f"the event has no id: expected text of 1 to {_ID_CHARACTERS} characters"
    )


def _is_whole(text: str) -> bool:
    return text.isprintable()  # which halves of surrogate pairs are not


def _id_in(body: bytes, field: str) -> str:
    data = read_json(body)
    return checked_id(cast("dict[str, Any]", data).get(field) if isinstance(data, dict) else None)
