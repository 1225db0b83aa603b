"""The record of stand-ins."""

from __future__ import annotations

import os

import pytest

from harness.observe.cpu_run.guest import fidelity


def test_used_stand_ins_are_forgotten_by_a_fork():
    """What was used before the fork is not of the run; what the child uses is."""
    before = fidelity.taken()
    fidelity.used("before the fork")
    try:
        child = os.fork()
        if child == 0:
            fidelity.used("in the run")
            os._exit(0 if fidelity.taken() == {"in the run"} else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert fidelity.taken() == before | {"before the fork"}
    finally:
        fidelity._used.discard("before the fork")


def test_a_name_means_one_stand_in():
    """The same stand-in may be registered again, another one of its name may not."""
    one = fidelity.StandIn("tests: one", exact=True, reason="a")
    try:
        assert fidelity.stand_in(one) is one
        assert fidelity.stand_in(one) is one
        assert fidelity.known(one.name) is one
        assert one in fidelity.all_known()
        with pytest.raises(ValueError, match="two stand-ins"):
            fidelity.stand_in(fidelity.StandIn("tests: one", exact=False, reason="a"))
    finally:
        fidelity._registered.pop(one.name)


def test_not_supported_says_what_and_why():
    """The exception keeps both parts."""
    error = fidelity.NotSupported("this", "that")
    assert (error.what, error.why, str(error)) == ("this", "that", "this: that")
