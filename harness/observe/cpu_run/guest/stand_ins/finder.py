"""Imports that get a stand-in: a finder on `sys.meta_path`.

Two tables. What needs a GPU or the network to be of any use is always stood in for, whether or not the package is
installed; everything else only where the import would fail. A submission's own files come before both: its runtime
puts its finder first.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

from harness.observe.cpu_run.guest.fidelity import NotSupported

Names = Mapping[str, object]
"""What is in a module."""


class Unprovided:
    """A name that the real package may have and its stand-in has not: it can be imported, using it is refused."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *_args: object, **_options: object) -> object:
        """Refuse. Raises NotSupported."""
        raise NotSupported(self._name, "the stand-in of its package does not provide it")

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotSupported(f"{self._name}.{name}", "the stand-in of its package does not provide it")


class StandInFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds modules in a table of names to what they contain. Contents are asked for at the first import.

    `open_packages`: packages of which every submodule exists, filled by the content of the package. `yields`: what is
    installed comes first; a folder that only has the name of a package is not that package.
    """

    def __init__(
        self,
        table: Mapping[str, Callable[[], Names]],
        open_packages: frozenset[str] = frozenset(),
        *,
        yields: bool = False,
    ) -> None:
        self.table = dict(table)
        self.open_packages = open_packages
        self.yields = yields
        self._packages = {name.rpartition(".")[0] for name in table} | open_packages

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,  # noqa: ARG002  the protocol's
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a module of the table."""
        if fullname not in self.table and fullname.partition(".")[0] not in self.open_packages:
            return None
        if self.yields and _installed(fullname, path):
            return None
        if fullname in self.table:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=fullname in self._packages)
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:  # noqa: ARG002  the protocol's
        """None: an ordinary module."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Fill a module. Names that it lacks become `Unprovided`."""
        name = module.__name__
        make = self.table.get(name) or self.table[name.partition(".")[0]]
        module.__dict__.update(make())
        module.__dict__.setdefault("__getattr__", _unprovided(name))

    def install(self) -> None:
        """Put the finder before all others, once."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)


def _installed(fullname: str, path: Sequence[str] | None) -> bool:
    """Whether Python finds a module of that name, other than a folder without `__init__.py`."""
    parent = fullname.rpartition(".")[0]
    found = importlib.machinery.PathFinder.find_spec(fullname, path) if not parent or path else None
    return found is not None and found.origin is not None


def _unprovided(module: str) -> Callable[[str], object]:
    def missing(name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return Unprovided(f"{module}.{name}")

    return missing
