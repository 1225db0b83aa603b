"""Averages of weights: closed forms, and no silence where nothing was averaged."""

import pytest
import torch
from torch import nn

from reference_model.config import AveragingConfig
from reference_model.optim.averaging import Ema, Swa, average_of


def model(value: float) -> nn.Linear:
    """One weight of that value."""
    linear = nn.Linear(1, 1, bias=False)
    nn.init.constant_(linear.weight, value)
    return linear


def test_ema_of_a_constant() -> None:
    """After n steps at 1 from 0, the average is 1 - dⁿ."""
    ema = Ema(model(0.0), 0.9)
    for _ in range(5):
        ema.update(model(1.0), 1.0)
    assert ema.weights()["weight"].item() == pytest.approx(1 - 0.9**5)


def test_swa_is_the_mean_over_the_end_of_the_decay() -> None:
    """Nothing before the start, then snapshots at even distances."""
    swa = Swa(start=0.5, snapshots=5)
    for step in range(11):
        swa.update(model(float(step)), 1.0 - step / 10)
    assert swa.taken == 5
    assert swa.weights()["weight"].item() == pytest.approx((5 + 6 + 7 + 8 + 9) / 5)


def test_swa_without_a_snapshot_is_loud() -> None:
    """A run whose learning rate never falls averages nothing, and says so."""
    swa = Swa(start=0.6, snapshots=24)
    swa.update(model(1.0), 1.0)
    with pytest.raises(ValueError, match="SWA_START"):
        swa.weights()


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_a_restored_average_goes_on(kind: str) -> None:
    """State and restore lose nothing."""
    config = AveragingConfig(averaging=kind, swa_start=0.0, swa_snapshots=4)
    first, second = average_of(model(0.0), config), average_of(model(0.0), config)
    assert first is not None
    assert second is not None
    first.update(model(3.0), 0.9)
    second.restore(first.state())
    for average in (first, second):
        average.update(model(5.0), 0.5)
    assert torch.equal(first.weights()["weight"], second.weights()["weight"])
