"""Payments told by webhooks: ``python -m examples.payments``, or with a directory to keep them in.

A provider delivers the events of a day, twice, late, forged and in any order, while a live query
looks at every balance.
"""

import asyncio
import random
import sys
import time

from examples.payments import payments
from examples.payments.provider import Provider, events_of_a_day

import headwater as hw

CHARGES = 200
SECRET = "whsec_of_the_provider"  # noqa: S105 - it is in the room with us


def shown(cents: int) -> str:
    return f"{cents / 100:12,.2f}"


def main(path: str | None) -> None:
    with hw.open(path, modules=[payments], env={"PROVIDER_SECRET": SECRET}) as db:
        before = db.query(payments.deliveries)["events"]
        events = events_of_a_day(random.Random(7), f"{before}", CHARGES)  # noqa: S311
        provider = Provider(db.asgi(), SECRET, time.time, random.Random(8))  # noqa: S311
        looks: list[int] = []
        stop = db.watch(payments.overview).on_change(lambda all_: looks.append(sum(all_.values())))
        asyncio.run(provider.tell(events))
        stop()
        show(db, provider, len(events), looks)


def show(db: hw.Database, provider: Provider, told: int, looks: list[int]) -> None:
    print(f"{told} events were told. What became of their deliveries:")
    for what, count in sorted(provider.answers.items()):
        print(f"  {count:5}  {what}")
    print("\nThe balances:")
    for account, cents in sorted(db.query(payments.overview).items()):
        print(f"  {account:10}{shown(cents)}")
    sums, deliveries = db.query(payments.sums), db.query(payments.deliveries)
    print(f"\nThe entries sum up to {sums['entries']}, the balances to {sums['balances']}.")
    print(f"{sums['events']} events had an effect, {deliveries['events']} have come.")
    wrong = len([total for total in looks if total != 0])
    print(f"A live query has shown the balances {wrong} times with another sum than 0.")
    print("\nThe last entries of the bank account:")
    for entry in db.query(payments.statement, account=payments.BANK, limit=3):
        print(f"  {entry['event']:14}{shown(entry['cents'])}")
    early = db.insights().failing[0]
    print(f"\n{early.function} has raised {early.failures} times: the event had come too early.")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
