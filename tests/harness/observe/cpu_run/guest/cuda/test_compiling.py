"""torch.compile in all its forms runs the program as written."""

from __future__ import annotations

import torch


def test_every_form_of_compile(shim):
    """Calls, decorators, options, methods of modules: the result is that of the plain program."""

    def inside():
        def double(x):
            return 2 * x

        assert torch.compile(double, fullgraph=True, dynamic=False, mode="max-autotune")(3) == 6
        assert torch.compile(double)(3) == 6

        @torch.compile(dynamic=True, backend="inductor", options={"triton.cudagraphs": True})
        def triple(x):
            return 3 * x

        assert triple(2) == 6
        module = torch.nn.Linear(2, 2)
        module.compile(fullgraph=True)
        assert module(torch.ones(2)).shape == (2,)
        assert torch.compiler.disable(double)(1) == torch._dynamo.disable()(double)(1) == 2
        torch.compiler.cudagraph_mark_step_begin()
        torch._dynamo.reset()
        torch.compiler.reset()

    shim(inside)


def test_compiled_modules_keep_their_wrapper(shim):
    """`_orig_mod` is where scripts look for it: as an attribute and as a prefix of state keys."""

    def inside():
        module = torch.nn.Linear(2, 3, bias=False)
        compiled = torch.compile(module, fullgraph=True)
        assert compiled._orig_mod is module
        assert list(compiled.state_dict()) == ["_orig_mod.weight"]
        assert compiled.weight is module.weight
        x = torch.ones(1, 2)
        assert torch.equal(compiled(x), module(x))
        compiled.eval()
        assert not module.training
        assert next(iter(compiled.parameters())) is module.weight

    shim(inside)


def test_configuration_is_writable(shim):
    """The settings that scripts make are taken."""

    def inside():
        torch._dynamo.config.optimize_ddp = False
        torch._dynamo.config.cache_size_limit = 64
        torch._inductor.config.coordinate_descent_tuning = True
        torch._inductor.config.triton.unique_kernel_names = True

    shim(inside)


def test_operators_for_cuda_work(shim):
    """A custom operator registered for cuda runs, with its gradient."""

    def inside():
        @torch.library.custom_op("tests::double", mutates_args=(), device_types="cuda")
        def double(x: torch.Tensor) -> torch.Tensor:
            return 2 * x

        @double.register_fake
        def _(x):
            return torch.empty_like(x)

        double.register_autograd(lambda context, gradient: 2 * gradient)
        x = torch.ones(2, device="cuda", requires_grad=True)
        torch.ops.tests.double(x).sum().backward()
        assert x.grad.tolist() == [2, 2]

    shim(inside)


def test_inference_mode_is_no_grad(shim):
    """What is cached in inference mode may enter training; decorators and arguments work as the original's."""

    def inside():
        with torch.inference_mode():
            cached = torch.ones(2)
            assert not torch.is_grad_enabled()
        weight = torch.ones(2, requires_grad=True)
        (weight * cached).sum().backward()

        @torch.inference_mode()
        def one():
            return torch.is_grad_enabled()

        @torch.inference_mode
        def two():
            return torch.is_grad_enabled()

        assert (one(), two(), torch.is_grad_enabled()) == (False, False, True)
        with torch.inference_mode(mode=False):
            assert torch.is_grad_enabled()

    shim(inside)
