"""The secrets that senders sign their webhooks with: given, or named as settings."""

from base64 import b64decode
from binascii import Error as NotBase64Error
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from headwater.errors import ConfigurationMissingError, DeclarationError
from headwater.functions.context_services import Configuration


@dataclass(frozen=True, slots=True)
class Setting:
    """A secret that stands in a setting of the database; made by `env`.

    Attributes:
        name: Of the setting.
    """

    name: str


Secret: TypeAlias = str | Setting
"""A secret itself, or where it is found."""

_STANDARD_PREFIX: Final = "whsec_"


def env(name: str) -> Setting:
    """The secret that stands in a setting: ``stripe(env("STRIPE_WEBHOOK_SECRET"))``.

    Args:
        name: What functions read as ``ctx.env[name]``.
    """
    return Setting(name)


class Secrets:
    """One or more secrets, of which each is accepted, so that they can be replaced one by one.

    Attributes:
        declared: The verifier, for messages.

    Args:
        declared: The same.
        secrets: At least one.
        key_of: From a secret as the sender shows it to the key; raises ValueError.

    Raises:
        DeclarationError: There is none, or one cannot be a secret.
    """

    def __init__(
        self, declared: str, secrets: Sequence[Secret], key_of: Callable[[str], bytes]
    ) -> None:
        self.declared: str = declared
        self._secrets = tuple(secrets)
        self._key_of = key_of
        if not self._secrets:
            raise DeclarationError(f"webhooks.{declared}: expected at least one secret")
        for secret in self._secrets:
            if not isinstance(secret, Setting):
                self._literal(secret)

    def _literal(self, secret: object) -> bytes:
        try:
            if isinstance(secret, str):
                return self._key_of(secret)
            problem = f"expected text or webhooks.env(name), got {type(secret).__name__}"
        except ValueError as error:
            problem = str(error)
        raise DeclarationError(f"webhooks.{self.declared}: the secret cannot be one: {problem}")

    def keys(self, settings: Configuration) -> list[bytes]:
        """The keys.

        Raises:
            ConfigurationMissingError: A setting is not there, or holds no secret.
        """
        return [
            self._of_setting(secret.name, settings[secret.name])
            if isinstance(secret, Setting)
            else self._literal(secret)
            for secret in self._secrets
        ]

    def _of_setting(self, name: str, value: str) -> bytes:
        try:
            return self._key_of(value)
        except ValueError as error:
            raise ConfigurationMissingError(
                f"the setting {name!r} holds no secret for webhooks.{self.declared}: {error}",
                name=name,
            ) from None

    def __repr__(self) -> str:
        return f"<{len(self._secrets)} secrets>"


def text_key(secret: str) -> bytes:
    """A secret that is the key itself.

    Raises:
        ValueError: It is empty.
    """
    if not secret.strip():
        raise ValueError("it is empty")
    return secret.encode("utf-8")


def base64_key(secret: str) -> bytes:
    """A secret of Standard Webhooks: ``whsec_`` and base64.

    Raises:
        ValueError: It is not.
    """
    try:
        key = b64decode(secret.strip().removeprefix(_STANDARD_PREFIX), validate=True)
    except (NotBase64Error, ValueError):
        key = b""
    if not key:
        raise ValueError("expected 'whsec_' and base64")
    return key
