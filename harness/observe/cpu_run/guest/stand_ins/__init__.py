"""Stand-ins for packages and kernels that a CPU-only machine without a network cannot have."""

from harness.observe.cpu_run.guest.stand_ins.extensions import provide_built
from harness.observe.cpu_run.guest.stand_ins.missing import Remedy, missing_package
from harness.observe.cpu_run.guest.stand_ins.packages import install, provide_modal

__all__ = ["Remedy", "install", "missing_package", "provide_built", "provide_modal"]
