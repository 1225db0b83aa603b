"""Evaluation of a script as it would be launched."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from harness.observe.reading.evaluate.machine import FUEL, Exhausted, Frame, Raised
from harness.observe.reading.evaluate.statements import Statements
from harness.observe.reading.evaluate.trace import Trace
from harness.observe.reading.evaluate.values import UNKNOWN, Function, FunctionNode, ModuleValue, Scope, Source

_FRAMES = 6_000
"""Python frames that the evaluator may nest: it recurses with the tree and with the calls of the script."""
MAX_ROOTS = 8
"""Most functions that are evaluated of a script that calls none."""


class Evaluator(Statements):
    """Evaluates one script; a fresh object for each run."""

    def run(self, main: Source) -> Trace:
        """Evaluate the script's top level under the name `__main__`, then all that may be called back. Never raises."""
        with _deep_recursion():
            self.attempt(lambda: self.run_module("__main__", main))
            if self.trace.complete:
                self.attempt(self._settle)
        return self.trace

    def attempt(self, action: Callable[[], object]) -> None:
        """Do something; a limit or a certain exception ends it and is noted."""
        try:
            action()
        except Exhausted:
            self.trace.incomplete("the evaluation took more steps than allowed")
        except RecursionError:
            self.trace.incomplete("the code nests too deeply")
        except Raised as error:
            if error.name != "SystemExit":
                self.trace.ended = f"{error.name} at line {error.line}"
                self.trace.incomplete(f"the launch would end in {self.trace.ended}")
        except Exception as error:  # noqa: BLE001  a bug of the evaluator must not cost the other facts of a submission
            self.trace.incomplete(f"the evaluator failed with {type(error).__name__}")

    def _settle(self) -> None:
        """Callbacks may come at any time: call each once more in the last state, until no new ones turn up."""
        frame = self.module_frame(self.modules["__main__"])
        frame.mark = self.heap.begin()
        done = 0
        try:
            while done < len(self.leaked):
                for value in list(self.leaked.values())[done:]:
                    done += 1
                    self.call_back(value, frame)
        finally:
            self.heap.end()

    def enter_uncalled(self) -> list[FunctionNode]:
        """Evaluate the functions of a script that calls none of its own, with unknown arguments; returns their nodes.

        Such a script does nothing when it is launched; what its functions would do can still be read. Functions that
        others name are met through those.
        """
        module = self.modules.get("__main__")
        if module is None:
            return []
        functions = [value for value in module.slots.values() if isinstance(value, Function)]
        named = {
            node.id
            for function in functions
            for node in ast.walk(function.node)
            if isinstance(node, ast.Name) and node.id != function.name
        }
        roots = [function for function in functions if function.name not in named][:MAX_ROOTS]
        frame = self.module_frame(module)
        for root in roots:
            self.attempt(lambda root=root: self.call_function(root, [], {"**": UNKNOWN}, frame))  # type: ignore[misc]  # bound now
        return [root.node for root in roots]

    def module_frame(self, module: ModuleValue) -> Frame:
        """A frame in which code can be evaluated as if at the end of the module."""
        return Frame(Scope(module.slots, "module", module, None), module.source)


@contextmanager
def _deep_recursion() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def evaluate(
    main: Source, sources: Mapping[str, Source], environment: Mapping[str, str], fuel: int = FUEL
) -> Evaluator:
    """Evaluate `main` with the submission's other modules and the environment variables that are set."""
    evaluator = Evaluator(sources, environment, fuel)
    evaluator.run(main)
    return evaluator
