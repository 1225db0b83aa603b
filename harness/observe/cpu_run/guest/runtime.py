"""What a forked child does: become the process that torchrun would have started, and run the submission in it."""

from __future__ import annotations

import builtins
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.model.plan import Directive
from harness.observe.cpu_run.guest.positions import Tracker
from harness.observe.cpu_run.guest.recorder import Recorder
from harness.observe.cpu_run.guest.rewriting import Rewriter

SEED = 20240520
"""Of every generator that a script does not seed itself."""


class Runtime:
    """One run: the folder of the submission, its rewritten modules, its builtins."""

    def __init__(
        self,
        root: Path,
        clock: Callable[[], float],
        directives: Sequence[Directive] = (),
        tracker: Tracker | None = None,
    ) -> None:
        """`tracker` follows positions of the validation stream; without one sums alone are followed."""
        self.root = root
        self.rewriter = Rewriter(directives)
        self.recorder = Recorder(self.rewriter, clock, tracker)
        self.recorder.lessons.place_of = self.place_of
        self.builtins = {**vars(builtins), **self.recorder.builtins()}
        self.builtins["exec"] = self._exec
        self.builtins["compile"] = self._compile
        self._unwrapped: dict[str, tuple[str, int]] = {}

    def become(self, environment: Mapping[str, str], arguments: Sequence[str], folder: Path) -> None:
        """Take over environment, arguments and working directory, and make all chance repeatable."""
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        sys.argv = list(arguments)
        random.seed(SEED)
        np.random.seed(SEED)
        torch.manual_seed(SEED)
        urandom = random.Random(SEED)
        os.urandom = urandom.randbytes  # run ids and names of temporary files
        sys.meta_path.insert(0, _Finder(self))
        self.recorder.files.root = os.path.realpath(self.root)
        self.recorder.install()

    def main(self, script: str) -> None:
        """Run a file of the submission as `__main__`. Raises whatever it raises, SystemExit too."""
        path = self.root / script
        sys.path[0:1] = [str(path.parent)]
        module = types.ModuleType("__main__")
        module.__file__ = str(path)
        sys.modules["__main__"] = module
        self.fill(module, path, script)

    def load(self, script: str) -> types.ModuleType:
        """Import a file of the submission as a module."""
        path = self.root / script
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{script} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        self.fill(module, path, script)
        return module

    def fill(self, module: types.ModuleType, path: Path, name: str) -> None:
        """Execute the file at `path`, rewritten, as the body of a module; `name` is its path within the submission."""
        module.__dict__["__builtins__"] = self.builtins
        code = self.rewriter.compiled(_text(path.read_bytes()), name, 0, str(path))
        exec(code, module.__dict__)  # noqa: S102  this is what the sandbox is for

    def call(self, script: str, function: str, arguments: Mapping[str, Any]) -> object:
        """Import a file of the submission as a module and call one of its functions by its dotted name."""
        target: Any = self.load(script)
        for name in function.split("."):
            target = getattr(target, name)
        return target(**arguments)

    def name_of(self, path: str | os.PathLike[str]) -> str | None:
        """The path of a file within the submission; None for files of others."""
        try:
            return str(Path(path).resolve().relative_to(self.root.resolve()))
        except ValueError:
            return None

    def place_of(self, filename: str) -> tuple[str, int] | None:
        """Path and layer of the text that a code object was made of; None for code of others."""
        own = self.name_of(filename) if filename[:1] != "<" else None
        return (own, 0) if own is not None else self._unwrapped.get(filename)

    def _exec(self, source: Any, globals: Any = None, locals: Any = None, /, **closure: Any) -> None:  # noqa: A002  as the builtin
        """`exec` as the submission sees it: text that comes out of a wrapper is rewritten like a file."""
        frame = sys._getframe(1)
        names = frame.f_globals if globals is None else globals
        inner = (frame.f_locals if globals is None else names) if locals is None else locals
        names.setdefault("__builtins__", self.builtins)
        code = source if isinstance(source, types.CodeType) else self._unpacked(source, frame)
        exec(code, names, inner, **closure)  # noqa: S102  as above

    def _compile(self, source: Any, filename: Any, mode: str, *args: Any, **kwargs: Any) -> Any:
        """`compile` as the submission sees it."""
        if mode == "exec" and isinstance(source, (str, bytes, bytearray)) and not args and not kwargs.get("flags"):
            return self._unpacked(source, sys._getframe(1), str(filename))
        return compile(source, filename, mode, *args, **kwargs)

    def _unpacked(
        self, source: str | bytes | bytearray, asks: types.FrameType, name: str = "<string>"
    ) -> types.CodeType:
        """Code of a text that was not in a file: it gets one, so that tracebacks and `inspect` can show it.

        It belongs to the file that asks, whatever name that gives it, unless it is the text of the file so named.
        """
        text = source if isinstance(source, str) else _text(bytes(source))
        layer = len(self._unwrapped) + 1
        named = self.name_of(name) if name[:1] != "<" else None
        place = (named, 0) if named is not None and self._holds(named, text) else None
        place = place or self.place_of(asks.f_code.co_filename)
        path = place[0] if place is not None else next((b.path for b in self.rewriter.blocks), "")
        file = self.root.parent / "layers" / f"{layer}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8", errors="surrogateescape")
        self._unwrapped[str(file)] = path, layer
        return self.rewriter.compiled(text, path, layer, str(file))

    def _holds(self, path: str, text: str) -> bool:
        """Whether the text is that of a file of the submission."""
        try:
            return _text((self.root / path).read_bytes()) == text
        except (OSError, SyntaxError, UnicodeDecodeError):
            return False


class _Finder(importlib.abc.MetaPathFinder):
    """Finds modules of the submission before anybody else does, and loads them rewritten."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a source file within the submission."""
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or not spec.has_location or spec.origin is None or not spec.origin.endswith(".py"):
            return None
        own = self.runtime.name_of(spec.origin)
        if own is not None:
            spec.loader = _Loader(self.runtime, name, spec.origin, own)
            return spec
        return None


class _Loader(importlib.machinery.SourceFileLoader):
    """Executes a module of the submission rewritten."""

    def __init__(self, runtime: Runtime, name: str, path: str, own: str) -> None:
        super().__init__(name, path)
        self.runtime, self.own = runtime, own

    def exec_module(self, module: types.ModuleType) -> None:
        """Run the rewritten source."""
        self.runtime.fill(module, Path(self.path), self.own)


def _text(data: bytes) -> str:
    """Source text as Python decodes it: UTF-8 unless the file says otherwise."""
    return importlib.util.decode_source(data)
