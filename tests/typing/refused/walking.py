"""Mistakes around reads along references."""

from accepted.referring import Member, Members, Team

from headwater import Id, QueryCtx


def inside(ctx: QueryCtx, member: Id[Member], team: Id[Team]) -> None:
    ctx.db.referring(Members, member, "sponsor")  # error: by name
    ctx.db.referring(Member, team)  # error: a table, no document type
    members = ctx.db.referring(Members, team)
    members.follow("team")  # error: a function
    members.follow(lambda member: member["_creationTime"])  # error: no id
    _members: list[Member] = members.follow(lambda member: member["team"]).take(1)  # error: teams
