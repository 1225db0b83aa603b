"""Triton on a CPU: kernels run from their source, many programs of a grid at once."""
