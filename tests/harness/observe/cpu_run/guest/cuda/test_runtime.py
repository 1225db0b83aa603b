"""What torch.cuda answers about itself."""

from __future__ import annotations

import pytest
import torch

from harness.observe.cpu_run.guest.cuda import runtime
from harness.observe.cpu_run.guest.fidelity import NotSupported


def test_the_device_is_an_h100(shim):
    """Name, capability, memory, number and version are those of one H100 for each process that was launched here."""

    def inside():
        assert torch.cuda.is_available()
        assert torch.cuda.device_count() == 1
        assert torch.cuda.current_device() == 0
        assert torch.cuda.get_device_name(0) == runtime.GPU_NAME
        assert torch.cuda.get_device_capability() == (9, 0)
        properties = torch.cuda.get_device_properties(torch.device("cuda", 0))
        assert (properties.major, properties.minor, properties.multi_processor_count) == (9, 0, 132)
        assert properties.total_memory == torch.cuda.mem_get_info()[1] > 79 << 30
        assert torch.cuda.is_bf16_supported()
        assert torch.version.cuda
        assert torch.cuda.max_memory_allocated() // 2**20 > 0
        assert torch.cuda.memory_stats()["allocated_bytes.all.peak"] == torch.cuda.max_memory_allocated()
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        with torch.cuda.device(0):
            torch.cuda.nvtx.range_push("x")
            torch.cuda.nvtx.range_pop()
        torch.cuda.cudart().cudaProfilerStart()

    shim(inside, WORLD_SIZE="1")


def test_streams_and_events(shim):
    """Streams nest, and events measure the virtual clock."""

    def inside():
        side = torch.cuda.Stream(priority=-1)
        with torch.cuda.stream(side):
            side.wait_stream(torch.cuda.default_stream())
            assert torch.cuda.current_stream() is side
            torch.zeros(2, device="cuda").record_stream(side)
        assert torch.cuda.current_stream() is torch.cuda.default_stream()
        begin, end = torch.cuda.Event(enable_timing=True), side.record_event(torch.cuda.Event(enable_timing=True))
        begin.record()
        end.record()
        end.synchronize()
        assert begin.elapsed_time(end) == pytest.approx(1.0)
        with pytest.raises(RuntimeError):
            torch.cuda.Event().elapsed_time(end)

    shim(inside)


def test_graphs_are_refused_and_graphed_callables_called(shim):
    """Recording kernels is not possible here and says so; a graphed function is the function."""

    def inside():
        with pytest.raises(NotSupported):
            torch.cuda.CUDAGraph()
        with pytest.raises(NotSupported):
            torch.cuda.graph_pool_handle()
        activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
        with torch.profiler.profile(activities=activities) as profile:
            torch.ones(3).sum()
        assert profile.key_averages()
        assert torch.cuda.make_graphed_callables(abs, (1,)) is abs

    shim(inside)


def test_random_numbers_repeat_after_seeding(shim):
    """Seeds and states of cuda decide what is drawn on cuda."""

    def inside():
        torch.cuda.manual_seed_all(3)
        state = torch.cuda.get_rng_state()
        first = torch.randn(4, device="cuda")
        torch.cuda.set_rng_state(state)
        assert torch.equal(first, torch.randn(4, device="cuda"))
        torch.cuda.manual_seed(3)
        assert torch.equal(first, torch.randn(4, device="cuda"))
        with torch.random.fork_rng(devices=[0]):
            torch.rand(1)

    shim(inside)


def test_optimizers_step_on_the_accelerator(shim):
    """Before every step torch's optimizers ask its own accelerator for a recorded graph: they step all the same."""

    def inside():
        weight = torch.nn.Parameter(torch.ones(3, device="cuda"))
        for kind in (torch.optim.AdamW, torch.optim.SGD):
            optimizer = kind([weight], lr=0.1)
            (weight * weight).sum().backward()
            before = weight.detach().clone()
            optimizer.step()
            assert not torch.equal(weight, before)

    shim(inside)


def test_switches_are_remembered_and_change_no_number(shim):
    """TF32 and the choice of attention kernels can be set and read; float32 products on the CPU stay exact."""

    def inside():
        a, b = torch.randn(128, 128), torch.randn(128, 128)
        plain = a @ b
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        torch.set_float32_matmul_precision("high")
        assert torch.get_float32_matmul_precision() == "high"
        assert torch.equal(a @ b, plain)
        assert (a @ b - (a.double() @ b.double())).abs().max() < 1e-4
        for kind in ("flash", "mem_efficient", "math", "cudnn"):
            getattr(torch.backends.cuda, f"enable_{kind}_sdp")(False)
            assert not getattr(torch.backends.cuda, f"{kind}_sdp_enabled")()
        q = torch.randn(1, 2, 8, 4, device="cuda")
        torch.nn.functional.scaled_dot_product_attention(q, q, q, attn_mask=torch.ones(8, 8, dtype=torch.bool))

    shim(inside)


def test_nvidia_smi():
    """The program's text names the device."""
    assert runtime.GPU_NAME in runtime.nvidia_smi_program()
    assert runtime.nvidia_smi_program().startswith("#!/bin/sh\n")
