"""How an attack on one sample ended."""

from enum import Enum


class Outcome(Enum):
    """The value is the sentence that a person reads, in tables, files and reports."""

    FOOLED = "fooled"
    PAST_BEFORE = "past the threshold before the attack"
    USED_UP = "iterations used up"
    ZERO_GRADIENT = "zero gradient"
    NOT_FINITE = "not finite"
    UNREADABLE = "unreadable input"
    BELOW = "below the threshold"  # controls only: they make no iterations that could be used up

    def __str__(self) -> str:
        return self.value


# Rows that were really attacked: what success rates, quantiles and throughputs are computed over.
ATTACKED = (Outcome.FOOLED, Outcome.USED_UP, Outcome.ZERO_GRADIENT, Outcome.BELOW)
# Rows that say that something is wrong with the input or the network.
FAILED = (Outcome.NOT_FINITE, Outcome.UNREADABLE)
