"""What services give to functions, as the floor of functions sees it."""

from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from headwater.errors import ConfigurationMissingError
from headwater.schema.explain import nearest


class Configuration(Mapping[str, str]):
    """Settings that functions read; the same as long as the database is open. It is ``ctx.env``."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = dict(settings)

    def __getitem__(self, name: str) -> str:
        try:
            return self._settings[name]
        except KeyError:
            close = nearest(name, self._settings)
            hint = f"; did you mean {close!r}?" if close is not None else ""
            raise ConfigurationMissingError(
                f"there is no setting {name!r}{hint}; set it in the environment of the process, or "
                f"with hw.open(..., env={{{name!r}: ...}})",
                name=name,
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)

    def __repr__(self) -> str:
        return f"<configuration {', '.join(sorted(self._settings))}>"  # values may be secrets


class ContextServices(Protocol):
    """The services of an open database, as contexts hand them to functions."""

    @property
    def env(self) -> Configuration:
        """The settings."""
        ...


class _NoServices:
    """Where there is a runner and no open database, as in tests of the floors below."""

    def __init__(self) -> None:
        self.env: Configuration = Configuration({})


NO_SERVICES: Final[ContextServices] = _NoServices()
