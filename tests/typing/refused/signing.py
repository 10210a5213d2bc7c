"""Mistakes around accounts and sessions."""

import headwater as hw
from headwater import MutationCtx, QueryCtx, SyncActionCtx


def print_code(login: str, code: str) -> None:
    print(login, code)


hw.Sessions(hashing="argon2")  # error: a hash is described by its numbers
hw.Sessions(deliver=print_code)  # error: it takes no purpose
hw.PasswordHashing(64, 3, 4)  # error: numbers are given by name
hw.open(None, sessions=True)  # error: sessions are options


def inside(ctx: MutationCtx, query: QueryCtx, action: SyncActionCtx) -> None:
    ctx.sessions.sign_out("token")  # error: hashing takes its time, which a mutation has not got
    query.sessions.sign_out("token")  # error: neither has a query
    action.sessions.sign_in("ada")  # error: no password
    action.sessions.sign_in("ada", "password", "127.0.0.1")  # error: an address is given by name
    action.sessions.sign_out("token", which="every")  # error: no such sessions
    print(action.sessions.sign_up("ada", "password").token)  # error: which one of the two
