"""The same as `headwater.functions.session_client`, for asyncio."""

import asyncio
from collections.abc import Mapping
from typing import Any

from headwater.functions.accounts import SessionTokens
from headwater.functions.session_client import NO_CLAIMS, SessionClient, WhichSessions


class AsyncSessionClient:
    """Signing up, in and out, as actions that are coroutines see it: ``db.aio.sessions``.

    Everything is as it is for `SessionClient`, on threads, so that no password holds up the event
    loop.
    """

    def __init__(self, client: SessionClient) -> None:
        self._client = client

    async def sign_up(
        self,
        login: str,
        password: str,
        *,
        claims: Mapping[str, Any] = NO_CLAIMS,
        address: str | None = None,
        device: str = "",
    ) -> SessionTokens:
        """Make an account, and sign in to it."""
        return await asyncio.to_thread(
            self._client.sign_up, login, password, claims=claims, address=address, device=device
        )

    async def sign_in(
        self, login: str, password: str, *, address: str | None = None, device: str = ""
    ) -> SessionTokens:
        """Begin a session."""
        return await asyncio.to_thread(
            self._client.sign_in, login, password, address=address, device=device
        )

    async def send_sign_up_code(
        self,
        login: str,
        password: str | None = None,
        *,
        claims: Mapping[str, Any] = NO_CLAIMS,
        address: str | None = None,
    ) -> str:
        """Begin to sign up; a ticket for the code that is sent."""
        send = self._client.send_sign_up_code
        return await asyncio.to_thread(send, login, password, claims=claims, address=address)

    async def send_sign_in_code(self, login: str, *, address: str | None = None) -> str:
        """Begin to sign in without a password; a ticket for the code that is sent."""
        return await asyncio.to_thread(self._client.send_sign_in_code, login, address=address)

    async def send_reset_code(self, login: str, *, address: str | None = None) -> str:
        """Begin to reset a password; a ticket for the code that is sent."""
        return await asyncio.to_thread(self._client.send_reset_code, login, address=address)

    async def redeem_code(
        self, ticket: str, code: str, *, address: str | None = None, device: str = ""
    ) -> SessionTokens:
        """Sign up or in by a code."""
        redeem = self._client.redeem_code
        return await asyncio.to_thread(redeem, ticket, code, address=address, device=device)

    async def reset_password(
        self,
        ticket: str,
        code: str,
        password: str,
        *,
        address: str | None = None,
        device: str = "",
    ) -> SessionTokens:
        """Set a password by a code, and sign in."""
        reset = self._client.reset_password
        return await asyncio.to_thread(
            reset, ticket, code, password, address=address, device=device
        )

    async def wait_for_deliveries(self) -> None:
        """Wait until the codes that were made so far are delivered, or could not be."""
        await asyncio.to_thread(self._client.wait_for_deliveries)

    async def refresh(self, refresh_token: str) -> SessionTokens:
        """The next tokens of a session."""
        return await asyncio.to_thread(self._client.refresh, refresh_token)

    async def sign_out(self, token: str, *, which: WhichSessions = "this") -> int:
        """End sessions; how many that were."""
        return await asyncio.to_thread(self._client.sign_out, token, which=which)

    async def sign_out_account(self, account: str) -> int:
        """End all sessions of an account; how many that were."""
        return await asyncio.to_thread(self._client.sign_out_account, account)

    async def end_session(self, session: str) -> bool:
        """End one session by its id; whether there was one."""
        return await asyncio.to_thread(self._client.end_session, session)

    async def change_password(
        self, access_token: str, old: str, new: str, *, address: str | None = None
    ) -> None:
        """Replace a password by who knows it."""
        await asyncio.to_thread(
            self._client.change_password, access_token, old, new, address=address
        )

    async def set_password(self, account: str, password: str) -> None:
        """Give an account a password, on the word of the program."""
        await asyncio.to_thread(self._client.set_password, account, password)

    async def set_claims(self, account: str, claims: Mapping[str, Any]) -> None:
        """Say something else of somebody, from their next call on."""
        await asyncio.to_thread(self._client.set_claims, account, claims)

    async def delete_account(self, account: str) -> bool:
        """Delete an account with its sessions and its password; whether there was one."""
        return await asyncio.to_thread(self._client.delete_account, account)
