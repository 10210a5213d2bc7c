"""Logins and passwords: their normal form, what is refused, and hashes that take their time."""

import threading
import unicodedata
from collections.abc import Callable
from typing import Any, Final

from headwater.errors import SignUpRefusedError
from headwater.services.session_options import PasswordHashing, Sessions

LOGIN_CHARACTERS_MAX: Final = 320
"""The longest address of e-mail: 64 before the @, 255 behind it (RFC 5321, section 4.5.3.1)."""

_SALT_BYTES: Final = 16
"""As RFC 9106, section 3.1, recommends for passwords."""
_CONTROLS: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def login_of(login: object) -> str | None:
    """The normal form of a login: NFKC, without case; None if it cannot be one."""
    if not isinstance(login, str) or len(login) > LOGIN_CHARACTERS_MAX:
        return None
    # Twice: without case, letters may have another composition.
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", login).casefold()).strip()
    is_text = not any(unicodedata.category(character) in _CONTROLS for character in text)
    return text if is_text and 0 < len(text) <= LOGIN_CHARACTERS_MAX else None


def new_login(login: object) -> str:
    """The normal form of a login that somebody wants to have.

    Raises:
        SignUpRefusedError: It cannot be one.
    """
    text = login_of(login)
    if text is None:
        raise SignUpRefusedError(
            f"expected a login of 1 to {LOGIN_CHARACTERS_MAX} characters, without control "
            "characters",
            reason="login_invalid",
        )
    return text


def password_of(password: object, options: Sessions) -> bytes | None:
    """A password as it is hashed: NFKC, as NIST SP 800-63B asks; None if nobody can have it."""
    most = options.password_characters_max
    if not isinstance(password, str) or len(password) > most:
        return None
    text = unicodedata.normalize("NFKC", password)
    return text.encode("utf-8", "surrogatepass") if len(text) <= most else None


def new_password(password: object, login: str, options: Sessions) -> bytes:
    """A password that somebody wants to have, as it is hashed.

    Raises:
        SignUpRefusedError: It is too short, too long, or the login itself.
    """
    content = password_of(password, options)
    least, most = options.password_characters_min, options.password_characters_max
    if content is None:
        raise SignUpRefusedError(
            f"expected a password of {most} characters at most", reason="password_too_long"
        )
    text = content.decode("utf-8", "surrogatepass")
    if len(text) < least:
        raise SignUpRefusedError(
            f"expected a password of {least} characters at least", reason="password_too_short"
        )
    if login_of(text) == login:
        raise SignUpRefusedError(
            "expected a password that is not the login", reason="password_is_login"
        )
    return content


class PasswordHasher:
    """Makes and compares hashes: argon2id, as argon2-cffi has it.

    Args:
        hashing: What a hash costs.
        secret: Gives salts.

    Raises:
        ModuleNotFoundError: The extra ``auth`` is not installed.
    """

    def __init__(self, hashing: PasswordHashing, secret: Callable[[int], bytes]) -> None:
        self._argon2: Any = _argon2(hashing)
        self._secret = secret
        self._slots = threading.BoundedSemaphore(hashing.concurrent)
        self._lock = threading.Lock()
        self._nobody: str | None = None

    def hash(self, password: bytes) -> str:
        """The hash of a password, with a salt of its own. Takes its time."""
        with self._slots:
            hashed: str = self._argon2.hash(password, salt=self._secret(_SALT_BYTES))
            return hashed

    def verify(self, stored: str | None, password: bytes | None) -> bool:
        """Whether a password is the one of a hash. As much work if there is none of either."""
        nobody = self._nobodys_hash()
        is_right = self._compare(nobody if stored is None else stored, password or b"")
        return is_right and stored is not None and password is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash was made with other numbers."""
        return bool(self._argon2.check_needs_rehash(stored))

    def _compare(self, stored: str, password: bytes) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        with self._slots:
            try:
                return bool(self._argon2.verify(stored, password))
            except (VerificationError, InvalidHashError):
                return False

    def _nobodys_hash(self) -> str:
        """What the password of an unknown account is compared with."""
        with self._lock:
            if self._nobody is None:
                self._nobody = self.hash(self._secret(_SALT_BYTES))
            return self._nobody


def _argon2(hashing: PasswordHashing) -> Any:
    try:
        import argon2
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "sessions need the package argon2-cffi, which is not installed; install the extra: "
            "pip install 'headwater[auth]'",
            name=error.name,
        ) from None
    return argon2.PasswordHasher(
        time_cost=hashing.iterations,
        memory_cost=hashing.memory_kib,
        parallelism=hashing.lanes,
    )
