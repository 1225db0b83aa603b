"""Tests of the shim run in forked children, so that nothing of it leaks into other tests."""

from __future__ import annotations

import os
import select
import signal
import sys
import traceback
import warnings
from collections.abc import Callable

import pytest
import torch

from harness.observe.cpu_run.guest import cuda

SECONDS = 120


@pytest.fixture(scope="session")
def shim() -> Callable[..., None]:
    """Run a function in a child in which the shim is installed; what it raises fails the test."""

    def run(function: Callable[[], None], **environment: str) -> None:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            code = 1
            try:
                os.environ.update(environment)
                torch.set_num_threads(1)
                warnings.simplefilter("ignore")  # as a script has them
                cuda.install_all()
                function()
                code = 0
            except BaseException:  # noqa: BLE001  the parent shows whatever it was
                os.write(writing, traceback.format_exc().encode()[-60_000:])
            finally:
                sys.stdout.flush()
                os._exit(code)
        os.close(writing)
        said = b""
        while select.select([reading], [], [], SECONDS)[0]:
            piece = os.read(reading, 65_536)
            if not piece:
                break
            said += piece
        else:
            os.kill(child, signal.SIGKILL)
            said += b"the child took too long"
        os.close(reading)
        status = os.waitpid(child, 0)[1]
        assert status == 0, said.decode()

    return run
