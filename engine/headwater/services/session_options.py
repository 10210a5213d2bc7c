"""How the built-in sessions of a database behave."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from headwater.errors import DeclarationError

if TYPE_CHECKING:
    from headwater.functions.code_delivery import CodeDelivery
    from headwater.functions.declaration import Action

_DAY_SECONDS: Final = 24 * 3600.0
_PASSWORD_CHARACTERS_MAX: Final = 100_000
_KIB_PER_LANE: Final = 8
_MEMORY_KIB_MAX: Final = 2**32 - 1
_LANES_MAX: Final = 2**24 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordHashing:
    """What one hash of a password costs: argon2id, by RFC 9106.

    The default is what section 4 of the RFC recommends where memory is scarce. With other numbers,
    a password is hashed anew when its owner signs in.

    Attributes:
        memory_kib: Memory of one hash.
        iterations: Passes over it.
        lanes: Threads that share it.
        concurrent: Hashes that are made at the same time in one process; others wait, so that the
            memory is bounded.

    Raises:
        DeclarationError: The numbers are none of argon2's.
    """

    memory_kib: int = 64 * 1024
    iterations: int = 3
    lanes: int = 4
    concurrent: int = 4

    def __post_init__(self) -> None:
        _check_count("PasswordHashing", "lanes", self.lanes, 1, _LANES_MAX)
        least = _KIB_PER_LANE * self.lanes
        _check_count("PasswordHashing", "memory_kib", self.memory_kib, least, _MEMORY_KIB_MAX)
        _check_count("PasswordHashing", "iterations", self.iterations, 1, _MEMORY_KIB_MAX)
        _check_count("PasswordHashing", "concurrent", self.concurrent, 1, _LANES_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionThrottling:
    """How often something may be tried, per hour; as many may be tried at once.

    IPv6 addresses count by their /64, which is what one customer has.

    Attributes:
        sign_ins_per_account: Sign-ins with a password to one login that fail, known or not. One
            that succeeds makes the others forgotten.
        sign_ins_per_address: Sign-ins from one address.
        sign_ups_per_address: Sign-ups from one address.
        codes_per_account: Codes that are sent to one login, known or not.
        codes_per_address: Codes that are asked for from one address.
        guesses_per_address: Codes that are entered from one address, right or wrong.

    Raises:
        DeclarationError: A number is below 1.
    """

    sign_ins_per_account: int = 20
    sign_ins_per_address: int = 200
    sign_ups_per_address: int = 20
    codes_per_account: int = 5
    codes_per_address: int = 20
    guesses_per_address: int = 100

    def __post_init__(self) -> None:
        for name in self.__slots__:
            _check_count("SessionThrottling", name, getattr(self, name), 1, 10**9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Accounts and sessions of the database's own: ``hw.open(..., sessions=hw.Sessions())``.

    Attributes:
        tokens: The form of access tokens: "opaque", or "jwt" for clients that look into them, such
            as Convex's. Either is good for as long as its session goes on.
        access_seconds: How long an access token is good.
        idle_seconds: How long a session lasts that is not refreshed.
        session_seconds: How long a session lasts at most.
        refresh_grace_seconds: For how long after it was used a refresh token gives the same next
            tokens again.
        sessions_per_account: Sessions of one account; another one ends the oldest.
        password_characters_min: The least length of a password, after NFKC. NIST SP 800-63B-4 asks
            for 15 where a password is all that is asked for, and for 8 beside something else.
        password_characters_max: The greatest one.
        deliver: Sends codes: a function, or an action, that takes ``login``, ``purpose`` and
            ``code``. Without one, codes are not used.
        code_digits: How long codes are. NIST SP 800-63B-4 asks for six, where guesses are limited.
        code_seconds: How long a code is good.
        code_attempts: Wrong guesses after which a code is not good any more.
        hashing: What the hash of a password costs.
        throttling: How often something may be tried.

    Raises:
        DeclarationError: They cannot be.
    """

    tokens: Literal["opaque", "jwt"] = "opaque"
    access_seconds: float = 900.0
    idle_seconds: float = 30 * _DAY_SECONDS
    session_seconds: float = 365 * _DAY_SECONDS
    refresh_grace_seconds: float = 10.0
    sessions_per_account: int = 100
    password_characters_min: int = 12
    password_characters_max: int = 1000
    deliver: "CodeDelivery | Action[..., object] | None" = None
    code_digits: int = 8
    code_seconds: float = 600.0
    code_attempts: int = 5
    hashing: PasswordHashing = field(default_factory=PasswordHashing)
    throttling: SessionThrottling = field(default_factory=SessionThrottling)

    def __post_init__(self) -> None:
        if self.tokens not in ("opaque", "jwt"):
            raise DeclarationError(
                f"hw.Sessions(tokens={self.tokens!r}): expected 'opaque' or 'jwt'"
            )
        _check_seconds("session_seconds", self.session_seconds, 1, 1000 * 365 * _DAY_SECONDS)
        _check_seconds("idle_seconds", self.idle_seconds, 1, self.session_seconds)
        _check_seconds("access_seconds", self.access_seconds, 1, self.idle_seconds)
        _check_seconds("refresh_grace_seconds", self.refresh_grace_seconds, 0, self.access_seconds)
        _check_count("Sessions", "sessions_per_account", self.sessions_per_account, 1, 10_000)
        _check_count("Sessions", "code_digits", self.code_digits, 6, 12)
        _check_seconds("code_seconds", self.code_seconds, 1, _DAY_SECONDS)
        _check_count("Sessions", "code_attempts", self.code_attempts, 1, 100)
        _check_kind("hashing", self.hashing, PasswordHashing)
        _check_kind("throttling", self.throttling, SessionThrottling)
        if self.deliver is not None and not callable(self.deliver):
            raise DeclarationError(
                f"hw.Sessions(deliver={self.deliver!r}): expected a function or an action"
            )
        most = _PASSWORD_CHARACTERS_MAX
        _check_count("Sessions", "password_characters_max", self.password_characters_max, 64, most)
        least, most = self.password_characters_min, self.password_characters_max
        _check_count("Sessions", "password_characters_min", least, 1, most)


def _check_kind(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise DeclarationError(f"hw.Sessions({name}={value!r}): expected hw.{kind.__name__}(...)")


def _check_seconds(name: str, value: object, least: float, most: float) -> None:
    if type(value) not in (int, float) or not least <= value <= most:  # type: ignore[operator]
        raise DeclarationError(
            f"hw.Sessions({name}={value!r}): expected {least:g} to {most:g} seconds"
        )


def _check_count(owner: str, name: str, value: object, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise DeclarationError(
            f"hw.{owner}({name}={value!r}): expected a whole number from {least} to {most}"
        )
