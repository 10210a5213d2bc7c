"""Mistakes with the log and with projections."""

from accepted.chat import Messages
from accepted.following import Total, Totals

import headwater as hw


@hw.projection(into=[Totals], feed="soon")  # error: feed
def unknown_feed(state: hw.ProjectionState, event: hw.Change) -> None:
    pass


@hw.projection(into=["totals"])  # error: no table
def by_name(state: hw.ProjectionState, event: hw.Change) -> None:
    pass


@hw.projection(into=[Totals])  # error: no event
def without_event(state: hw.ProjectionState) -> None:
    pass


def wrong_index(state: hw.ProjectionState, event: hw.Change) -> Total | None:
    return state.query(Totals).with_index(Messages.by_channel, "Ada").unique()  # error: index


def wrong_calls(db: hw.Database) -> None:
    db.log.read("yesterday")  # error: no moment
    db.log.read(0, 10)  # error: by name only
    db.log.tail(tables=[1])  # error: no table
    db.wait_for_projections("a while")  # error: no number
