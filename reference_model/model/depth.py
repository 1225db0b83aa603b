"""In which order a forward pass visits the layers, and which visits are paired by U-Net connections.

With a loop over layers 3 to 5 and three visits, eleven layers become seventeen steps: 0 1 2 3 4 5 3 4 | 5 3 4 5 6 ... .
Weights are shared between visits; the first half of the steps, not of the layers, feeds the second.
"""

from __future__ import annotations

from dataclasses import dataclass

from reference_model.config import ModelConfig


@dataclass(frozen=True)
class Depth:
    """The visited layers, in order, split into encoder and decoder."""

    encoder: tuple[int, ...]
    decoder: tuple[int, ...]

    @property
    def pairs(self) -> int:
        """U-Net connections."""
        return min(len(self.encoder), len(self.decoder))


def depth_of(config: ModelConfig, *, looping: bool) -> Depth:
    """The order of visits; before the loop is switched on every layer is visited once."""
    visits = config.loop_visits if looping else 1
    loop = list(range(config.loop_start, config.loop_end))
    order = [*range(config.loop_start), *(loop * visits), *range(config.loop_end, config.num_layers)]
    half = len(order) // 2
    return Depth(tuple(order[:half]), tuple(order[half:]))
