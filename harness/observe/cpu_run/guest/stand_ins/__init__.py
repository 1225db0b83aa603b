"""Stand-ins for packages and kernels that a CPU-only machine without a network cannot have."""

from harness.observe.cpu_run.guest.stand_ins.extensions import provide_built
from harness.observe.cpu_run.guest.stand_ins.loading import provide_loading
from harness.observe.cpu_run.guest.stand_ins.packages import install, provide_modal
from harness.observe.cpu_run.guest.stand_ins.programs import provide_programs

__all__ = ["install", "provide_built", "provide_loading", "provide_modal", "provide_programs"]
