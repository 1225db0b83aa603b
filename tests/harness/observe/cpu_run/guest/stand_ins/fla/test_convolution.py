"""Short convolutions against sums that are written out."""

import torch

from harness.observe.cpu_run.guest.stand_ins.fla.convolution import ShortConvolution


def test_a_short_convolution_sees_no_later_step():
    """Each channel is a sum over its last steps, begun anew with each sequence."""
    layer = ShortConvolution(3, 4).double()
    x = torch.randn(1, 7, 3, dtype=torch.float64)
    expected = torch.zeros_like(x)
    for begin, end in ((0, 5), (5, 7)):
        for t in range(begin, end):
            for lag in range(min(4, t - begin + 1)):
                expected[0, t] += layer.weight[:, 0, 3 - lag] * x[0, t - lag]
    out, _ = layer(x, cu_seqlens=torch.tensor([0, 5, 7]))
    torch.testing.assert_close(out, expected * expected.sigmoid())
    later = x.clone()
    later[:, 4:] += 1
    assert torch.equal(layer(later, cu_seqlens=torch.tensor([0, 5, 7]))[0][:, :4], out[:, :4])
