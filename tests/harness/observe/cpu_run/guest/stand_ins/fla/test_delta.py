"""The delta rule against the recurrence, one step at a time."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_support.delta import inputs, reference

from harness.observe.cpu_run.guest.stand_ins.fla.delta import CHUNK, delta_rule


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 2), st.integers(1, 9), st.integers(1, 2), st.integers(1, 3), st.booleans(), st.integers(0, 99))
def test_the_rule_is_the_recurrence(batch, steps, heads, groups, decays, seed):
    """Outputs and last memory, with grouped keys, with and without decay, from a memory that is not zero."""
    q, k, v, beta, decay = inputs(batch, steps, heads, groups, seed=seed)
    state = torch.randn(batch, heads * groups, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    given_decay = decay if decays else None
    out, last = delta_rule(q, k, v, beta, given_decay, state=state)
    expected = reference(q, k, v, beta, given_decay, state=state)
    torch.testing.assert_close(out, expected[0])
    torch.testing.assert_close(last, expected[1])


def test_chunks_join_without_a_seam():
    """A sequence longer than two chunks, of which the last is not full."""
    q, k, v, beta, decay = inputs(1, 2 * CHUNK + 5, 1)
    torch.testing.assert_close(delta_rule(q, k, v, beta, decay)[0], reference(q, k, v, beta, decay)[0])


def test_strong_decay_stays_finite():
    """A decay that empties the memory at once gives no infinity, forwards or backwards."""
    q, k, v, beta, decay = (x.float().requires_grad_() for x in inputs(1, CHUNK, 1))
    delta_rule(q, k, v, beta, decay * 1_000)[0].sum().backward()
    assert all(x.grad is not None and x.grad.isfinite().all() for x in (q, k, v, beta, decay))


def test_gradients_are_those_of_the_recurrence():
    """Backwards through a chunk equals backwards through the loop."""
    drawn = inputs(1, 6, 2)
    grads = []
    for rule in (delta_rule, reference):
        leaves = [x.clone().requires_grad_() for x in drawn]
        rule(*leaves)[0].square().sum().backward()
        grads.append([x.grad for x in leaves])
    torch.testing.assert_close(*grads)


def test_what_comes_later_changes_nothing_before():
    """Outputs up to a place are the same bits whatever stands behind it."""
    q, k, v, beta, decay = (x.float() for x in inputs(1, CHUNK, 2))
    drawn = zip((q, k, v, beta, decay), inputs(1, CHUNK, 2, seed=1), strict=True)
    other = [torch.cat([x[:, :40], y[:, 40:].float()], 1) for x, y in drawn]
    assert torch.equal(delta_rule(q, k, v, beta, decay)[0][:, :40], delta_rule(*other)[0][:, :40])
