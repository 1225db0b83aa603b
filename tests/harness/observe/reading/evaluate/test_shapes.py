"""Parameter shapes of torch models, counted as torch counts them."""

from __future__ import annotations

import ast
import math
import textwrap

import pytest

from harness.observe.reading.evaluate.evaluator import Evaluator, evaluate
from harness.observe.reading.evaluate.trace import ModelTrace
from harness.observe.reading.evaluate.values import Source

INIT = "class M(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
HEAD = (
    "import os, copy\nimport torch\nimport torch.nn as nn\nimport torch.nn.functional as F\nfrom torch import Tensor\n"
)


def run(program: str) -> Evaluator:
    """Evaluate a program that has the usual imports."""
    return evaluate(Source("train_gpt.py", ast.parse(HEAD + textwrap.dedent(program))), {}, {"WORLD_SIZE": "8"})


def model(program: str) -> ModelTrace:
    """The first model that is part of no other."""
    models = run(program).trace.models
    inner = set().union(*(one.children for one in models))
    return next(one for one in models if one.identity not in inner)


def total(trace: ModelTrace) -> int | None:
    """Number of parameters; None when a size is unknown."""
    shapes = [shape for _, shape, _ in trace.tensors]
    if trace.reason is not None or any(shape is None or None in shape for shape in shapes):
        return None
    return sum(math.prod(size for size in shape if size is not None) for shape in shapes if shape is not None)


# Counts are torch 2.x's own: sum(p.numel() for p in layer.parameters()).
@pytest.mark.parametrize(
    ("layer", "count"),
    [
        ("nn.Linear(3, 5)", 20),
        ("nn.Linear(3, 5, bias=False)", 15),
        ("nn.Bilinear(2, 3, 4)", 28),
        ("nn.Embedding(10, 4)", 40),
        ("nn.LayerNorm(6)", 12),
        ("nn.LayerNorm((2, 3), bias=False)", 6),
        ("nn.LayerNorm(6, elementwise_affine=False)", 0),
        ("nn.RMSNorm(6)", 6),
        ("nn.GroupNorm(2, 6)", 12),
        ("nn.BatchNorm1d(6)", 12),
        ("nn.InstanceNorm1d(6)", 0),
        ("nn.Conv1d(4, 6, 3, groups=2)", 42),
        ("nn.Conv2d(4, 6, (3, 1), bias=False)", 72),
        ("nn.ConvTranspose1d(4, 6, 3)", 78),
        ("nn.MultiheadAttention(8, 2)", 288),
        ("nn.GRU(4, 6, num_layers=2)", 468),
        ("nn.LSTM(4, 6, bidirectional=True)", 576),
        ("nn.RNN(4, 6, 1, 'tanh', False)", 60),
        ("nn.GRUCell(4, 6)", 216),
        ("nn.PReLU()", 1),
        ("nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))", 13),
        ("nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])", 18),
        ("nn.ModuleDict({'a': nn.Linear(2, 2), 'b': nn.Identity()})", 6),
        ("nn.ParameterList([torch.zeros(3), nn.Parameter(torch.zeros(2, 2))])", 7),
        ("nn.ParameterDict({'w': torch.ones(5)})", 5),
    ],
)
def test_layers_have_torch_s_parameters(layer: str, count: int) -> None:
    """Every modelled layer has exactly the parameters that torch gives it."""
    program = f"""
        class M(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = {layer}
                self.one = nn.Parameter(torch.zeros(()))
        M()
    """
    assert total(model(program)) == count + 1


@pytest.mark.parametrize(
    ("tensor", "shape"),
    [
        ("torch.zeros(2, 3)", (2, 3)),
        ("torch.full((4,), 1.5, dtype=torch.float32)", (4,)),
        ("torch.stack((torch.ones(5), torch.zeros(5))).float()", (2, 5)),
        ("torch.cat([torch.zeros(2, 3), torch.zeros(4, 3)], dim=0)", (6, 3)),
        ("torch.arange(0, 10, 3)", (4,)),
        ("torch.linspace(0, 1, steps=7)", (7,)),
        ("torch.eye(3, 4)", (3, 4)),
        ("torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])", (3, 2)),
        ("torch.randn(6, 4) * 0.02 + 1", (6, 4)),
        ("torch.ones(6, 1) * torch.ones(4)", (6, 4)),
        ("torch.zeros(2, 3, 4).reshape(-1, 4)", (6, 4)),
        ("torch.zeros(2, 3).t().contiguous()", (3, 2)),
        ("torch.zeros(2, 3).unsqueeze(0).expand(4, -1, -1)", (4, 2, 3)),
        ("torch.zeros(5, 6)[1:3, None, :2]", (2, 1, 2)),
        ("torch.zeros_like(torch.zeros(3))", (3,)),
        ("torch.nn.init.normal_(torch.empty(3, 2), std=0.1)", (3, 2)),
        ("-torch.ones(3)", (3,)),
        ("torch.zeros(4, 2).transpose(0, 1).clone()", (2, 4)),
    ],
)
def test_tensor_shapes(tensor: str, shape: tuple[int, ...]) -> None:
    """A parameter has the shape of the tensor expression that it is made from."""
    trace = model(f"{INIT}        self.w = nn.Parameter({tensor})\nM()")
    assert [entry[1] for entry in trace.tensors] == [shape]


TRANSFORMER = """
    class CastedLinear(nn.Linear):
        def forward(self, x):
            return F.linear(x, self.weight.to(x.dtype))
    class Block(nn.Module):
        def __init__(self, dim, heads, gate):
            super().__init__()
            if dim % heads != 0:
                raise ValueError("no")
            self.attn = CastedLinear(dim, 3 * dim, bias=False)
            self.scale = nn.Parameter(torch.ones(dim))
            self.gate = nn.Linear(dim, 1) if gate else None
    class GPT(nn.Module):
        def __init__(self, vocab, dim, layers, tied=True):
            super().__init__()
            self.tok_emb = nn.Embedding(vocab, dim)
            self.blocks = nn.ModuleList([Block(dim, 2, i >= layers - 1) for i in range(layers)])
            self.register_parameter("skip", nn.Parameter(torch.ones(layers // 2, dim)))
            self.register_buffer("table", torch.zeros(9, 9))
            self.lm_head = CastedLinear(dim, vocab, bias=False)
            if tied:
                self.lm_head.weight = self.tok_emb.weight
            self.unused = nn.Linear(50, 50)
            del self.unused
            self.apply(self._init)
        def _init(self, module):
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.weight)
"""


def test_a_model_of_user_classes() -> None:
    """Nested user modules, weight tying, deleted and absent modules, buffers: counted as `parameters()` counts."""
    trace = model(TRANSFORMER + "    model = GPT(vocab=10, dim=4, layers=3)\n")
    assert total(trace) == 10 * 4 + 3 * (3 * 16 + 4) + (4 + 1) + 4 == 205
    names = {name: shared for name, _, shared in trace.tensors}
    assert names["tok_emb.weight"] == 1
    assert "blocks.2.gate.bias" in names
    assert "table" not in names
    assert total(model(TRANSFORMER + "    model = GPT(10, 4, 3, tied=False)\n")) == 205 + 40


def test_count_is_taken_when_parameters_are_first_listed() -> None:
    """What is added after the constructor counts, what comes after the first listing does not."""
    added = """
        model = GPT(10, 4, 1).to("cuda").bfloat16()
        model.extra = nn.Linear(2, 2, bias=False)
        n = sum(p.numel() for p in model.parameters())
        model.later = nn.Linear(9, 9)
    """
    trace = model(TRANSFORMER + textwrap.indent(textwrap.dedent(added), "    "))
    assert total(trace) == 40 + 52 + 5 + 0 + 4


def test_conditional_parameters_are_inexact() -> None:
    """Where it is not known whether a parameter exists, the total says so."""
    program = """
        import some_library
        class M(nn.Module):
            def __init__(self):
                super().__init__()
                self.a = nn.Parameter(torch.zeros(3))
                if some_library.fast():
                    self.b = nn.Parameter(torch.zeros(3))
        M()
    """
    assert model(program).reason == "b: a parameter"
    foreign = INIT + "        self.m = mamba.Mamba2(8)\nM()"
    assert model("import mamba\n" + foreign).reason == "m: mamba.Mamba2"


def test_branches_that_agree_stay_exact() -> None:
    """A value that differs between paths but not in shape leaves the count exact."""
    program = """
        try:
            import fast_attention
            HAS = True
        except ImportError:
            HAS = False
        class M(nn.Module):
            def __init__(self):
                super().__init__()
                self.kind = "fast" if HAS else "slow"
                self.a = nn.Linear(2, 2)
        M()
    """
    assert total(model(program)) == 6


def test_parts_of_a_model_are_not_models() -> None:
    """A module handed to another one belongs to it; a copy is a model of its own."""
    program = """
        class Inner(nn.Module):
            def __init__(self):
                super().__init__()
                self.w = nn.Parameter(torch.zeros(4))
        class Outer(nn.Module):
            def __init__(self, inner):
                super().__init__()
                self.inner = inner
        outer = Outer(Inner())
        twin = copy.deepcopy(outer)
        sd = outer.state_dict()
    """
    trace = model(program)
    assert trace.class_name == "Outer"
    assert trace.saved
    assert total(trace) == 4


def test_calling_a_model_reaches_its_code() -> None:
    """`model(x)` enters forward, through compile and DistributedDataParallel, and what forward calls."""
    evaluator = run("""
        from torch.nn.parallel import DistributedDataParallel as DDP
        class M(nn.Module):
            def __init__(self):
                super().__init__()
                self.seq = nn.Sequential(Inner(), nn.ReLU())
            def forward(self, x):
                return helper(self.seq(x))
        class Inner(nn.Module):
            def forward(self, x):
                return x
            def never(self): pass
        @torch.no_grad()
        def helper(x):
            return Square.apply(x)
        class Square(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x): return x
            @staticmethod
            def backward(ctx, g): return g
        model = DDP(torch.compile(M()), device_ids=[0])
        for x in torch.zeros(3):
            model(x)
    """)
    tree = evaluator.modules["__main__"].source.tree
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    assert [f.name for f in functions if id(f) not in evaluator.trace.entered] == ["never"]
