"""U-Net connections: pairs in reverse order, gates half open at first."""

import torch

from reference_model.model.skips import Skips


def test_gates_start_half_open() -> None:
    """lerp(skip, x, 1/2)."""
    x, skip = torch.randn(2, 1, 3, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(Skips(2, 4, gated=True)(x, skip, 1), (x + skip) / 2)
    torch.testing.assert_close(Skips(2, 4, gated=False)(x, skip, 1), x + skip)
