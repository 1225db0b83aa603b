"""Extensions of submissions: C++ is built, CUDA is recognised or refused."""

import importlib
import sys

import pytest
import torch
from torch.utils import cpp_extension

from harness.observe.cpu_run.guest import fidelity
from harness.observe.cpu_run.guest.fidelity import NotSupported
from harness.observe.cpu_run.guest.stand_ins import extensions

BINDING = """
#include <torch/extension.h>
void launch(void const*, void const*, void const*, void*, int, int, int);
at::Tensor product(at::Tensor x, at::Tensor w, at::Tensor f) {
    int M = x.size(0), K = x.size(1), N = w.size(1);
    TORCH_CHECK(w.size(0) == K);
    at::Tensor out = at::empty({M, N}, x.options());
    launch(x.data_ptr(), w.data_ptr(), f.data_ptr(), out.data_ptr(), M, N, K);
    return out;
}
TORCH_LIBRARY(%s, m) {
    m.def("product(Tensor x, Tensor w, Tensor f) -> Tensor");
}
"""

KERNEL = """
using Load = Sm90AuxLoad<2, Tile, cutlass::bfloat16_t, Stride, Atom, Copy>;
using Compute = Sm90Compute<
    cutlass::multiplies, cutlass::bfloat16_t, float, cutlass::FloatRoundStyle::round_to_nearest>;
using Tree = Sm90EVT<Compute, Sm90AccFetch, Load>;
using Gemm = cutlass::gemm::device::GemmUniversalAdapter<Kernel>;
"""


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    """Torch's functions are replaced during a test."""
    monkeypatch.setattr(cpp_extension, "load", extensions.load)
    monkeypatch.setattr(cpp_extension, "load_inline", extensions.load_inline)
    monkeypatch.setattr(fidelity, "_used", set())


def test_a_gemm_with_a_multiplying_epilogue_is_recognised():
    """The operator that the source registers computes (x w) * f, and takes a fake implementation beside it."""
    cpp_extension.load_inline("anything", cpp_sources=BINDING % "gemm_inline", cuda_sources=[KERNEL])
    x, w, f = torch.randn(5, 7), torch.randn(7, 3), torch.randn(5, 3)
    torch.library.register_fake("gemm_inline::product")(lambda x, w, f: x.new_empty(len(x), w.shape[1]))
    torch.testing.assert_close(torch.ops.gemm_inline.product(x, w, f), (x @ w) * f)
    half = [t.bfloat16() for t in (x, w, f)]
    want = (half[0].float() @ half[1].float() * half[2].float()).bfloat16()
    assert torch.equal(torch.ops.gemm_inline.product(*half), want)
    assert fidelity.taken() == {extensions.GEMM_TIMES}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cutlass::multiplies", "cutlass::plus"),
        ("Sm90AccFetch", "Sm90SrcFetch"),
        ("Sm90AuxLoad<2", "Sm90RowBroadcast<2"),
        ("using Gemm =", "using Gemm = cutlass::gemm::device::GemmUniversalAdapter<Other>;\nusing Second ="),
        ("Sm90EVT<Compute, Sm90AccFetch, Load>", "Load"),
    ],
)
def test_another_structure_is_refused(old, new):
    """A source that computes something else is not taken for what it resembles, and the refusal is on record."""
    with pytest.raises(NotSupported, match="CUDA"):
        cpp_extension.load_inline("x", BINDING % "gemm_other", KERNEL.replace(old, new))
    assert fidelity.taken() == {extensions.CUDA_SOURCE}
    assert not fidelity.known(extensions.CUDA_SOURCE).exact


def test_a_comment_makes_no_kernel():
    """What a comment says a kernel does is no evidence."""
    kernel = "".join(f"// {line}\n" for line in KERNEL.splitlines())
    assert extensions.recognised([BINDING % "gemm_comment", kernel]) == ()


def test_files_are_refused_by_their_names(tmp_path):
    """The refusal names the CUDA file."""
    (tmp_path / "mine.cu").write_text("__global__ void f() {}")
    with pytest.raises(NotSupported, match=r"mine\.cu"):
        cpp_extension.load("x", [str(tmp_path / "mine.cu")])


def test_an_extension_in_the_folder_counts_as_built(tmp_path, monkeypatch):
    """The operators of an extension with a setup.py are there, as if it had been built before the launch."""
    sources = tmp_path / "fast" / "csrc"
    sources.mkdir(parents=True)
    monkeypatch.setitem(sys.modules, "fast_ext", None)
    monkeypatch.delitem(sys.modules, "fast_ext")
    setup = 'setup(name="fast", ext_modules=[CUDAExtension(\n    name="fast_ext", sources=[])])'
    (tmp_path / "fast" / "setup.py").write_text(setup)
    (sources / "binding.cpp").write_text(BINDING % "gemm_folder")
    (sources / "kernel.cu").write_text(KERNEL)
    assert extensions.provide_built(tmp_path) == ("fast_ext",)
    assert extensions.provide_built(tmp_path) == ("fast_ext",)
    assert importlib.import_module("fast_ext") is sys.modules["fast_ext"]
    x = torch.eye(2)
    assert torch.equal(torch.ops.gemm_folder.product(x, x, 3 * x), 3 * x)


def test_cpp_is_left_to_torch(monkeypatch):
    """Sources without CUDA go to torch's own functions as they are."""
    calls = []
    monkeypatch.setattr(extensions, "_load", lambda *args, **options: calls.append((args, options)))
    monkeypatch.setattr(extensions, "_load_inline", lambda *args, **options: calls.append((args, options)))
    cpp_extension.load_inline("x", "int f();", functions=["f"])
    cpp_extension.load("x", ["x.cpp"], verbose=True)
    assert calls == [(("x", "int f();", None), {"functions": ["f"]}), (("x", ["x.cpp"]), {"verbose": True})]
