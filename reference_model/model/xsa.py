"""Exclusive self-attention (XSA): what attention brings a token, without the part along the token's own value.

z = y - (y · v̂) v̂ with v̂ the normalised value of the same position and of the head's own key-value head. A token's
value reaches its output through the residual stream anyway; attention is left to bring what is new. The first token
sees only itself, so its output is zero.
"""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812  the field's name for it
from torch import Tensor


def without_own_value(y: Tensor, v: Tensor) -> Tensor:
    """y: (batch, heads, seq, head_dim); v: (batch, kv_heads, seq, head_dim); heads share values in groups."""
    batch, heads, seq, dim = y.shape
    grouped = y.view(batch, v.size(1), heads // v.size(1), seq, dim)
    own = F.normalize(v, dim=-1).unsqueeze(2)
    return (grouped - (grouped * own).sum(dim=-1, keepdim=True) * own).view_as(y)
