"""PG2xx: the budgets of a track, bytes and seconds."""

from __future__ import annotations

from harness.judge.families import bytes as weights
from harness.judge.families import wallclock

RULES = (*weights.RULES, *wallclock.RULES)
