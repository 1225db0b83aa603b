"""Branches, loops and exceptions on small programs."""

from __future__ import annotations

from tests_support.evaluation import decided, run, value


def test_unknown_branch_joins_both_sides() -> None:
    """After a branch of unknown course a variable is known only where both sides agree."""
    evaluator = run("""
        import time
        a, b = 1, 1
        if time.time() > 5:
            a, b = 2, 1
        if a == 2:
            reached = True
    """)
    assert value(evaluator, "b") == 1
    assert value(evaluator, "a") == "?"
    assert "a == 2" not in decided(evaluator)


def test_attributes_join_across_a_branch() -> None:
    """State of objects is undone and joined like variables."""
    evaluator = run("""
        import time
        class A: pass
        a = A()
        a.x = 1
        a.y = []
        if time.time() > 5:
            a.x = 2
            a.y.append(3)
        if a.x == 1: pass
        if a.y: pass
    """)
    assert "a.x == 1" not in decided(evaluator)
    assert "a.y" not in decided(evaluator)


def test_early_return_under_unknown_condition() -> None:
    """A function that may return early gives the join of its returns, and its effects are joined too."""
    evaluator = run("""
        import time
        state = {"n": 0}
        def f(flag):
            if time.time() > 5:
                return 1
            state["n"] = 7
            return 1
        def g():
            if time.time() > 5:
                return 1
            return 2
        same = f(True)
        other = g()
        if state["n"] == 7: pass
    """)
    assert value(evaluator, "same") == 1
    assert value(evaluator, "other") == "?"
    assert "state['n'] == 7" not in decided(evaluator)


def test_loop_of_unknown_length_settles() -> None:
    """What a later iteration can change is not decided by the first."""
    evaluator = run("""
        import time
        previous = None
        count = 0
        while time.time() < 9:
            if previous is not None:
                seen = True
            previous = 3
            count += 1
    """)
    assert "previous is not None" not in decided(evaluator)
    assert value(evaluator, "count") == "?"


def test_break_and_continue_states_are_kept() -> None:
    """A value overwritten after a possible `break` can still be the one that leaves the loop."""
    evaluator = run("""
        import time
        for i in range(3):
            x = 1
            if time.time() > 5:
                break
            x = 2
        if x == 2: pass
        y = 0
        for i in range(3):
            if i == 1:
                continue
            y += 1
    """)
    assert "x == 2" not in decided(evaluator)
    assert value(evaluator, "y") == 2


def test_certain_break_ends_an_unrolled_loop() -> None:
    """A break that certainly happens leaves the state of that iteration."""
    evaluator = run("""
        found = None
        for i in range(10):
            if i * i > 10:
                found = i
                break
        else:
            found = -1
    """)
    assert value(evaluator, "found") == 4


def test_while_with_known_test_is_unrolled() -> None:
    """A short loop over constants gives its exact result."""
    assert value(run("n, k = 100, 0\nwhile n > 1:\n    n //= 2\n    k += 1"), "k") == 6


def test_handlers_see_every_state_of_the_body() -> None:
    """An exception may come between any two statements of a `try` body."""
    evaluator = run("""
        import some_library
        stage = 0
        try:
            stage = 1
            some_library.work()
            stage = 2
        except RuntimeError:
            if stage == 2: pass
            if stage == 0: pass
        failed = False
        try:
            import fast_kernels
        except ImportError:
            failed = True
        if failed: pass
    """)
    assert not {"stage == 2", "failed"} & decided(evaluator).keys()


def test_handler_of_a_body_that_cannot_fail_is_dead() -> None:
    """Where nothing uncertain is done, no exception comes."""
    evaluator = run("try:\n    a = 1 + 1\nexcept ValueError:\n    a = 0")
    assert value(evaluator, "a") == 2


def test_certain_exception_goes_to_its_handler() -> None:
    """A raise that certainly happens skips the rest of the body."""
    evaluator = run("""
        try:
            raise ValueError("x")
            a = 1
        except ValueError:
            a = 2
    """)
    assert value(evaluator, "a") == 2


def test_uncaught_exception_makes_the_evaluation_incomplete() -> None:
    """A launch that would end in an exception says nothing about what follows."""
    trace = run("import os\nif int(os.environ.get('N', '3')) == 3:\n    raise ValueError('no')\nx = 1").trace
    assert not trace.complete
    assert trace.ended == "ValueError at line 3"
    assert run("import sys\nsys.exit(0)").trace.complete


def test_finally_runs_for_every_way_out() -> None:
    """A `finally` clause changes the state of paths that have returned, and sees every state of the body."""
    evaluator = run("""
        import some_library
        class S: pass
        s = S()
        s.stage = 0
        s.done = False
        def f():
            try:
                if some_library.early():
                    return
                s.stage = 1
                some_library.work()
                s.stage = 0
            finally:
                if s.stage == 1: pass
                s.done = True
        f()
        if s.done: pass
    """)
    assert not {"s.stage == 1"} & decided(evaluator).keys()
    body = "for i in range(3):\n        try:\n            return 1\n        finally:\n            pass"
    loop = f"def f():\n    {body}\nx = f()"
    assert value(run(loop), "x") == 1
