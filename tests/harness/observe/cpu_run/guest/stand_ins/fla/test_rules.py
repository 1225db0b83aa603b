"""The operations of the library against the recurrence."""

import pytest
import torch
from tests_support.delta import inputs, reference

from harness.observe.cpu_run.guest.fidelity import NotSupported
from harness.observe.cpu_run.guest.stand_ins.fla import rules


def test_documents_in_a_row_are_documents_alone():
    """Bounds keep one sequence's memory from the next."""
    q, k, v, beta, decay = inputs(1, 9, 2)
    bounds = torch.tensor([0, 4, 9])
    out, last = rules.chunk_gated_delta_rule(q, k, v, decay, beta, cu_seqlens=bounds, output_final_state=True)
    for number, (begin, end) in enumerate(((0, 4), (4, 9))):
        alone = reference(*(x[:, begin:end] for x in (q, k, v, beta, decay)))
        torch.testing.assert_close(out[:, begin:end], alone[0])
        torch.testing.assert_close(last[number : number + 1], alone[1])


@pytest.mark.parametrize("updates", [1, 2, 3])
@pytest.mark.parametrize("decays", [True, False])
def test_the_product_makes_several_updates_a_step(updates, decays):
    """The memory decays before the first update of a step and is read behind the last."""
    q, k, v, beta, decay = inputs(2, 5, 2, updates=updates)
    given_decay = decay if decays else None
    out, _ = rules.chunk_gated_delta_product(q, k, v, given_decay, beta, num_householder=updates)
    torch.testing.assert_close(out, reference(q, k, v, beta, given_decay, updates=updates)[0])


def test_options_that_nothing_here_computes_are_refused():
    """An option that changes the result raises."""
    with pytest.raises(NotSupported):
        rules.chunk_gated_delta_rule(*inputs(1, 2, 1)[:3], None, None, use_gate_in_kernel=True)
