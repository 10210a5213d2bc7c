"""The bank as it was first written. One of its functions is wrong."""

from examples.bank.bank import FEE, Amount, Customer, account_of, add, refuse_debts

import headwater as hw
from headwater import Id, MutationCtx


@hw.mutation
def withdraw(ctx: MutationCtx, customer: Id[Customer], amount: Amount) -> int:
    """Take money out of the checking account, which savings may cover; its new balance."""
    refuse_debts(ctx, customer, amount)
    checking = account_of(ctx, customer, "checking")
    fee = FEE if amount > checking["balance"] else 0
    return add(ctx, checking, -amount - fee)
