"""The machine's accelerator by its general name."""

from __future__ import annotations


def test_answers_as_cuda(shim):
    """What scripts ask of it is what is asked of torch.cuda, and torch's own use of it is not in the way."""

    def inside():
        import torch

        torch.accelerator.synchronize()
        first, last = (torch.Event("cuda", enable_timing=True) for _ in range(2))
        first.record()
        last.record(torch.Stream("cuda"))
        assert first.elapsed_time(last) > 0
        model = torch.nn.Linear(4, 4).cuda()
        optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        model(torch.randn(3, 4, device="cuda")).sum().backward()
        optimizer.step()
        with torch.random.fork_rng():
            torch.rand(1)

    shim(inside)


def test_solver_is_no_matter(shim):
    """A singular value decomposition with a solver of CUDA's gives the matrix back."""

    def inside():
        import torch

        a = torch.randn(6, 4, device="cuda")
        u, s, v = torch.linalg.svd(a, full_matrices=False, driver="gesvd")
        assert torch.allclose(u @ torch.diag(s) @ v, a, atol=1e-5)
        assert torch.allclose(torch.linalg.svdvals(a, driver="gesvdj"), s)

    shim(inside)


def test_memory_is_not_recorded(shim):
    """Recording what is allocated does nothing, and a snapshot of it is empty."""

    def inside():
        import torch

        torch.cuda.memory._record_memory_history(max_entries=10)
        assert not torch.cuda.memory._snapshot()["segments"]
        torch.cuda.memory._record_memory_history(enabled=None)

    shim(inside)
