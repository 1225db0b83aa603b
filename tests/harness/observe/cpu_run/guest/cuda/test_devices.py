"""CUDA devices on the CPU: what tensors answer, what copies, what stays."""

from __future__ import annotations

import copy
import io
import threading

import numpy as np
import pytest
import torch

from harness.observe.cpu_run.guest import fidelity
from harness.observe.cpu_run.guest.cuda import placement


def test_factories_take_every_form_of_a_cuda_device(shim):
    """A tensor made on cuda says so, whichever way the device was named, and its device is a real torch.device."""

    def inside():
        for device in (torch.device("cuda", 0), torch.device("cuda"), "cuda", "cuda:0", 0):
            for made in (
                torch.zeros(2, device=device), torch.tensor([1.0], device=device), torch.arange(3, device=device),
                torch.zeros(2).new_empty(3, device=device), torch.empty_like(torch.zeros(2), device=device),
                torch.as_tensor(np.ones(2), device=device), torch.randn(2).to(device), torch.randn(2).cuda(),
                torch.zeros(2).to(device, torch.float16, non_blocking=True), torch.full((2,), 1.0, device=device),
                torch.zeros(2).to(device=device, dtype=torch.int64), torch.nn.Linear(2, 2, device=device).weight,
            ):  # fmt: skip
                assert made.is_cuda
                assert made.device.type == "cuda"
                assert made.device == torch.device("cuda", 0)
                assert isinstance(made.device, torch.device)
                assert not made.is_cpu
        assert placement.NAME in fidelity.taken()

    shim(inside)


def test_tensors_of_the_host_say_so_with_all_their_views(shim):
    """What lies in main memory is on the CPU: factories without a device, .cpu(), from_numpy, views of these."""

    def inside():
        on = torch.ones(4, device="cuda")
        for host in (torch.zeros(4), on.cpu(), on.to("cpu"), torch.from_numpy(np.ones(4)), torch.zeros(4)[1:].view(-1)):
            assert host.device.type == "cpu"
            assert not host.is_cuda
            assert host.get_device() == -1
            assert host.to(torch.float16).device.type == "cpu"
            assert host.to("cuda").is_cuda
            assert torch.zeros_like(host).device.type == "cpu"
        assert on.get_device() == 0
        assert (on + 1).is_cuda
        assert "cuda:0" in repr(on)
        assert torch.zeros(2, device="meta").device.type == "meta"

    shim(inside)


def test_moving_between_host_and_cuda_copies(shim):
    """A snapshot taken by .cpu() does not follow the weights, and a tensor that is there already is not copied."""

    def inside():
        weight = torch.nn.Parameter(torch.ones(3, device="cuda"))
        snapshot = {"w": weight.detach().cpu()}
        with torch.no_grad():
            weight.add_(1)
        assert snapshot["w"].tolist() == [1, 1, 1]
        assert weight.to("cuda") is weight
        host = snapshot["w"]
        assert host.cpu() is host
        assert host.cuda().data_ptr() != host.data_ptr()
        assert host.to(weight).is_cuda
        assert host.type_as(weight).is_cuda
        assert host.to("cuda", torch.float32, True, True).data_ptr() != host.data_ptr()
        assert torch.nn.Linear(2, 2, device="meta").to_empty(device="cuda").weight.is_cuda
        assert torch.cuda.FloatTensor([1.0]).is_cuda
        module = torch.nn.Linear(2, 2)
        assert module.weight.device.type == "cpu"
        module.cuda()
        assert module.weight.is_cuda
        assert copy.deepcopy(module).weight.is_cuda
        assert module.cpu().weight.device.type == "cpu"

    shim(inside)


def test_pinned_memory(shim):
    """pin_memory makes a copy on the host that says it is pinned."""

    def inside():
        plain = torch.arange(4)
        assert not plain.is_pinned()
        assert plain.pin_memory().is_pinned()
        assert torch.empty(3, pin_memory=True).is_pinned()
        assert plain.pin_memory().to("cuda", non_blocking=True).is_cuda

    shim(inside)


def test_default_devices(shim):
    """set_default_device and `with torch.device(...)` decide where factories put their tensors, modules included."""

    def inside():
        with torch.device("cuda"):
            assert torch.ones(2).is_cuda
            assert torch.nn.Linear(2, 2).weight.is_cuda
            assert torch.ones(2, device="cpu").device.type == "cpu"
        with torch.device("meta"):
            assert torch.nn.Linear(2, 2).weight.is_meta
        torch.set_default_device("cuda")
        assert torch.get_default_device() == torch.device("cuda", 0)
        assert torch.zeros(1).is_cuda
        torch.set_default_device(None)
        assert not torch.zeros(1).is_cuda

    shim(inside)


def test_saving_and_loading(shim):
    """Files hold plain CPU tensors; map_location says where they are afterwards."""

    def inside():
        file = io.BytesIO()
        torch.save({"a": [torch.ones(2, device="cuda")]}, file)
        for where, kind in (("cpu", "cpu"), ("cuda", "cuda"), (torch.device("cuda", 0), "cuda"), (None, "cuda")):
            file.seek(0)
            loaded = torch.load(file, map_location=where, weights_only=True)["a"][0]
            assert loaded.device.type == kind
            assert loaded.tolist() == [1, 1]
        file.seek(0)
        loaded = torch.load(file, map_location=lambda storage, place: storage)
        assert loaded["a"][0].tolist() == [1, 1]

    shim(inside)


def test_generators_stay_a_class(shim):
    """A generator for cuda says so, gives the numbers of the CPU, and isinstance and annotations work."""

    def inside():
        ours = torch.Generator(device="cuda").manual_seed(5)
        plain = torch.Generator().manual_seed(5)
        assert ours.device.type == "cuda"
        assert plain.device.type == "cpu"
        drawn = torch.randn(4, device="cuda", generator=ours)
        assert torch.equal(drawn.cpu(), torch.randn(4, generator=plain))
        assert isinstance(torch.default_generator, torch.Generator)
        assert torch.Generator | None

    shim(inside)


def test_threads_see_the_same_devices(shim):
    """Nothing depends on the thread."""

    def inside():
        seen = []
        thread = threading.Thread(target=lambda: seen.append(torch.zeros(1).to("cuda").device))
        thread.start()
        thread.join()
        assert seen == [torch.device("cuda", 0)]

    shim(inside)


def test_a_second_device_is_refused(shim):
    """A process has one device; another one is not silently the same."""

    def inside():
        with pytest.raises(fidelity.NotSupported):
            torch.zeros(1, device="cuda:3")
        torch.cuda.set_device(1)
        assert torch.zeros(1, device="cuda").device == torch.device("cuda", 1)

    shim(inside)


def test_host_storages_are_forgotten(shim):
    """The register of the host does not grow with tensors that are gone; an address used again is not the host's."""

    def inside():
        for _ in range(20_000):
            torch.empty(3)
        assert len(placement.storages) <= placement.SWEEP + 1
        for _ in range(1_000):
            assert torch.zeros(3, device="cuda").is_cuda

    shim(inside)
