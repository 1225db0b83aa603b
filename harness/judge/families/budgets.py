"""PG2xx: the budgets of a track, bytes and seconds."""

from __future__ import annotations

from harness.judge.families import bytes as weights
from harness.judge.families import wallclock, weighed

RULES = (*weights.RULES, *wallclock.RULES, *weighed.RULES)
