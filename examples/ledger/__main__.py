"""A ledger in the terminal: ``python -m examples.ledger``, or with a directory to keep it in.

Three people pay each other from three threads, while a live query looks at every balance.
"""

import random
import sys
import threading

from examples.ledger import ledger

import headwater as hw
from headwater import Database, Id

NAMES = ("Ada", "Grace", "Katherine")
ROUNDS = 20


def shown(cents: int) -> str:
    return f"{cents / 100:9.2f}"


def pay(db: Database, payer: Id[ledger.Account], others: list[Id[ledger.Account]]) -> int:
    """Pay somebody again and again; returns how often there was not enough."""
    draw = random.Random(payer)  # noqa: S311 - not a secret
    refused = 0
    for number in range(ROUNDS):
        target, cents = draw.choice(others), draw.randint(1, 5000)
        try:
            db.mutate(
                ledger.transfer, source=payer, target=target, cents=cents, memo=f"round {number}"
            )
        except hw.ApplicationError:
            refused += 1
    return refused


def pay_each_other(db: Database, accounts: dict[str, Id[ledger.Account]]) -> int:
    refused: list[int] = []

    def work(name: str) -> None:
        others = [accounts[other] for other in NAMES if other != name]
        refused.append(pay(db, accounts[name], others))

    threads = [threading.Thread(target=work, args=(name,)) for name in NAMES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(refused)


def show_balances(db: Database, looks: list[int]) -> None:
    for name, cents in db.query(ledger.overview).items():
        print(f"  {name:10}{shown(cents)}")
    sums = db.query(ledger.sums)
    print(f"The entries sum up to {sums['entries']}, the balances to {sums['balances']}.")
    wrong = len([total for total in looks if total != 0])
    print(
        f"A live query has shown all balances {len(looks)} times, {wrong} times with another sum."
    )


def show_statement(db: Database, account: Id[ledger.Account]) -> None:
    db.wait_for_projections()
    print("\nThe last lines of Ada's statement, which is made from the log a moment later:")
    for line in reversed(db.query(ledger.statement, account=account, limit=5)):
        amounts = f"{shown(line['cents'])} {shown(line['balance'])}"
        print(f"  {line['number']:4}  {line['memo']:10}{amounts}")


def show_log(db: Database, begin: int, refused: int) -> None:
    transfers = 0
    with db.log.tail(begin, tables=[ledger.Entries]) as tail:
        while tail.take() is not None:
            transfers += 1
    print(f"\nThe log has {transfers} transfers; {refused} were refused: there was not enough.")
    for status in db.projections():
        print(f"  {status.name}: {status.state}, fed {status.feed}, lag {status.lag}")


def main(path: str | None) -> None:
    with hw.open(path, modules=[ledger]) as db:
        begin = db.ts
        names = (*NAMES, ledger.WORLD)
        accounts = {name: db.mutate(ledger.open_account, name=name) for name in names}
        for name in NAMES:
            db.mutate(
                ledger.transfer,
                source=accounts[ledger.WORLD],
                target=accounts[name],
                cents=10_000,
                memo="start",
            )
        looks: list[int] = []
        stop = db.watch(ledger.overview).on_change(lambda all_: looks.append(sum(all_.values())))
        refused = pay_each_other(db, accounts)
        stop()
        show_balances(db, looks)
        show_statement(db, accounts["Ada"])
        show_log(db, begin, refused)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
