"""Tests of entries run on one thread each: pytest's processes share the cores already."""

import torch

torch.set_num_threads(1)
