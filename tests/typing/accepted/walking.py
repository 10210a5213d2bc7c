"""Reads along references."""

from typing import assert_type

from accepted.referring import Member, Members, Team

import headwater as hw
from headwater import FollowedQuery, Id, PaginationOptions, PaginationResult, QueryCtx, TableQuery


@hw.query
def teams_of(
    ctx: QueryCtx, sponsor: Id[Member], options: PaginationOptions
) -> PaginationResult[Team]:
    members = ctx.db.referring(Members, sponsor, by="sponsor")
    assert_type(members, TableQuery[Member])
    assert_type(members.order("desc").first(), Member | None)
    teams = members.follow(lambda member: member["team"])
    assert_type(teams, FollowedQuery[Team])
    assert_type(teams.take(3), list[Team])
    assert_type([team["title"] for team in teams], list[str])
    deputies = members.follow(lambda member: member.get("deputy"))
    assert_type(deputies.filter(lambda deputy: deputy["sponsor"]).collect(), list[Member])
    assert_type(deputies.follow(lambda deputy: deputy["team"]).first(), Team | None)
    return teams.paginate(options)
