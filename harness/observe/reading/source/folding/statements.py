"""A constant folder for the top level of a script: it finds what the script executes, and executes none of it.

Statements are followed in order over an abstract state in which most values are unknown. Only whitelisted functions
on known values are computed (`library`, `methods`); everything else is unknown, with the reason. Where a condition is
unknown both branches are followed, and a name that they leave different becomes unknown.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from harness.observe.reading.source.folding.expressions import Expressions
from harness.observe.reading.source.folding.operations import FAILURES
from harness.observe.reading.source.folding.values import (
    Code,
    File,
    Function,
    Local,
    PathTo,
    Ref,
    Spec,
    Unknown,
    absolute,
    relative,
)
from harness.observe.reading.source.folding.workspace import Exhausted, Workspace
from harness.observe.reading.source.grammar import parse
from harness.observe.reading.source.modules import find_module

MAX_CALLS = 12
"""Calls of the script's own functions inside one another."""
_EXITS = frozenset({"exit", "_exit", "quit", "SystemExit", "run"})
"""Names of functions that are handed the outcome of a script's entry: `sys.exit(main())`, `asyncio.run(main())`."""
_CONDITION = Unknown("its value depends on a condition that is only known when the script runs")


@dataclass
class Executed:
    """Something that the script executes.

    `kind` is `exec` for code in `data`, `run` for a file started as a program, `import` for one that is imported, and
    `call` for a function of an imported file. `main` says that it runs as the main program or in the script's names.
    """

    kind: str
    line: int
    data: Any = None
    path: str | None = None
    how: str = ""
    main: bool = True
    names: dict[str, Any] = field(default_factory=dict)
    entry: str = ""


class Folding(Expressions):
    """One script being folded. `path` is its place in the folded folder tree."""

    def __init__(self, workspace: Workspace, path: str, names: dict[str, Any] | None = None) -> None:
        start = {"__file__": path, "__name__": "__main__", "__builtins__": Ref("builtins"), "__doc__": None}
        super().__init__(workspace, {**(names or {}), **start})
        self.path = path
        self.executed: list[Executed] = []
        self.stopped: str | None = None
        """Why folding ended before the end of the script."""
        self._calls = 0
        self._passed: set[int] = set()
        self._entry_calls: set[int] = set()

    def run(self, tree: ast.Module, entry: str = "") -> None:
        """Follow the script, then its function `entry`."""
        try:
            self.block(tree.body)
            if entry and isinstance(found := self.names.get(entry), Function):
                self._inline(found, [], {})
        except Exhausted as limit:
            self.stopped = str(limit)
        except FAILURES as failure:  # statements that make no sense, such as binding to an item of a number
            self.stopped = f"folding stopped: {type(failure).__name__}: {str(failure)[:100]}"
        except RecursionError:
            self.stopped = "folding stopped: the code is nested too deeply"

    # Statements

    def block(self, body: Iterable[ast.stmt]) -> tuple[str, Any] | None:
        """Follow statements; return how they ended early: `return` with its value, `break`, `continue`, `raise`."""
        for statement in body:
            self.workspace.step()
            follow = self._STATEMENTS.get(type(statement))
            if follow is not None and (signal := follow(self, statement)) is not None:
                return signal
        return None

    def _expression(self, node: ast.Expr | ast.Return | ast.Raise) -> tuple[str, Any] | None:
        inner = node.exc if isinstance(node, ast.Raise) else node.value
        self._mark_entry(inner)
        value = self.value(inner) if inner is not None else None
        if isinstance(node, ast.Expr):
            return None
        return ("return" if isinstance(node, ast.Return) else "raise", value)

    def _mark_entry(self, node: ast.expr | None) -> None:
        """Remember a call that stands alone, or is handed to `sys.exit`: it may be the script's real entry."""
        while isinstance(node, ast.Call):
            self._entry_calls.add(id(node))
            function = node.func
            called = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
            node = node.args[0] if called in _EXITS and node.args else None

    def _assign(self, node: ast.Assign) -> None:
        value = self.value(node.value)
        for target in node.targets:
            self.bind(target, value)

    def _annotated(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.bind(node.target, self.value(node.value))

    def _augmented(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            before = self.look_up(node.target.id)
            self.bind(node.target, self.operate(node.op, before, self.value(node.value)))
        else:
            self.value(node.value)

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            top = alias.name.split(".")[0]
            module = alias.name if alias.asname else top
            self.names[alias.asname or top] = self._module(module, 0, node.lineno, whole=True)
            if not alias.asname and alias.name != top:
                self._module(alias.name, 0, node.lineno, whole=True)

    def _import_from(self, node: ast.ImportFrom) -> None:
        star = any(alias.name == "*" for alias in node.names)
        module = self._module(node.module or "", node.level, node.lineno, whole=star)
        if star and isinstance(module, Ref):
            self.starred.append(module.name)
        for alias in node.names:
            if isinstance(module, Local):
                self.names[alias.asname or alias.name] = Local(module.module, module.path, alias.name)
            elif isinstance(module, Ref):
                self.names[alias.asname or alias.name] = self.attribute(module, alias.name)

    def _module(self, module: str, level: int, line: int, *, whole: bool = False) -> Any:
        """Return what an import gives; `whole` says that the file is imported for what it does, not for a name."""
        found, missing = find_module(
            module, level, relative(self.path), self.workspace.everything(), self.workspace.search
        )
        if found is None:
            return Local(module, None) if missing else Ref(module)
        self.executed.append(Executed("import", line, path=absolute(found), how="import", main=whole))
        return Local(module, absolute(found))

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.names[node.name] = Function(node, self.names)

    def _class(self, node: ast.ClassDef) -> None:
        outside = self.names
        self.names = dict(outside)
        self.block(node.body)
        self.names = outside
        self.names[node.name] = Unknown(f"class {node.name} is not folded")

    def _if(self, node: ast.If) -> tuple[str, Any] | None:
        test = self.value(node.test)
        if not isinstance(test, Unknown):
            return self.block(node.body if test else node.orelse)
        self._branches(node.body, node.orelse)
        return None

    def _branches(self, *bodies: Iterable[ast.stmt]) -> None:
        """Follow each body from the same state; names that come out different are unknown afterwards."""
        before = dict(self.names)
        outcomes = []
        for body in bodies:
            self.names.clear()
            self.names.update(before)
            if self.block(body) is None:  # a branch that leaves has no say in what follows
                outcomes.append(dict(self.names))
        self.names.clear()
        self.names.update(outcomes[0] if outcomes else before)
        for other in outcomes[1:]:
            for name in [*self.names, *other]:
                if name not in self.names or name not in other or self.names[name] is not other[name]:
                    same = name in self.names and name in other and _equal(self.names[name], other[name])
                    self.names[name] = self.names[name] if same else _CONDITION

    def _try(self, node: ast.Try) -> tuple[str, Any] | None:
        signal = self.block([*node.body, *node.orelse])
        for handler in node.handlers:  # reached or not, what a handler executes matters; what it assigns does not
            before = dict(self.names)
            self.block(handler.body)
            self.names.clear()
            self.names.update(before)
        return self.block(node.finalbody) or signal

    def _with(self, node: ast.With | ast.AsyncWith) -> tuple[str, Any] | None:
        for item in node.items:
            value = self.value(item.context_expr)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, value)
        return self.block(node.body)

    def _for(self, node: ast.For | ast.AsyncFor) -> tuple[str, Any] | None:
        values = self.iterate(self.value(node.iter))
        if isinstance(values, Unknown):
            self.bind(node.target, values)
            self._branches(node.body, ())
            return None
        for value in values:
            self.workspace.step()
            self.bind(node.target, value)
            signal = self.block(node.body)
            if signal and signal[0] == "break":
                return None
            if signal and signal[0] != "continue":
                return signal
        return self.block(node.orelse)

    def _while(self, node: ast.While) -> tuple[str, Any] | None:
        while True:
            self.workspace.step()
            test = self.value(node.test)
            if isinstance(test, Unknown):
                self._branches(node.body, ())
                return None
            if not test:
                return self.block(node.orelse)
            signal = self.block(node.body)
            if signal and signal[0] == "break":
                return None
            if signal and signal[0] != "continue":
                return signal

    def _match(self, node: ast.Match) -> None:
        self.value(node.subject)
        self._branches(*(case.body for case in node.cases))

    _STATEMENTS: dict[type[ast.stmt], Callable[..., tuple[str, Any] | None]] = {  # noqa: RUF012  never written to
        ast.Expr: _expression,
        ast.Return: _expression,
        ast.Raise: _expression,
        ast.Assign: _assign,
        ast.AnnAssign: _annotated,
        ast.AugAssign: _augmented,
        ast.Import: _import,
        ast.ImportFrom: _import_from,
        ast.FunctionDef: _define,
        ast.AsyncFunctionDef: _define,
        ast.ClassDef: _class,
        ast.If: _if,
        ast.Try: _try,
        ast.TryStar: _try,
        ast.With: _with,
        ast.AsyncWith: _with,
        ast.For: _for,
        ast.AsyncFor: _for,
        ast.While: _while,
        ast.Match: _match,
        ast.Break: lambda _, __: ("break", None),
        ast.Continue: lambda _, __: ("continue", None),
    }

    # Calls that execute something

    def special(self, name: str, given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
        """Handle a call that executes code; return `NotImplemented` for all others."""
        if name in {"exec", "eval"} and given:
            return self._exec(name, given, node)
        if name in {"runpy.run_path", "runpy.run_module"} and given:
            self._start(given[0], node, "runpy")
            return Unknown("the names of a program that was run are not folded")
        if name in {"importlib.import_module", "__import__"} and given:
            module = given[0]
            if not isinstance(module, str):
                return Unknown("a module is imported by a name that is not known")
            top = module.split(".")[0] if name == "__import__" and "fromlist" not in named else module
            return self._module(top, 0, node.lineno, whole=True)
        if name.startswith(("os.exec", "os.spawn")):
            return self._launch(given[1:], node)
        if name in _LAUNCHERS:
            return self._launch([named.get("args", given[0] if given else None)], node)
        return NotImplemented

    def _exec(self, name: str, given: list[Any], node: ast.Call) -> Any:
        code = given[0].source if isinstance(given[0], Code) else given[0]
        scope = given[1] if len(given) > 1 else None
        own = scope is None or scope is self.names
        main = own or (isinstance(scope, dict) and scope.get("__name__") == "__main__")
        if name == "eval" and isinstance(code, str) and len(code) < 1000 and not isinstance(given[0], Code):
            tree = parse(code.strip()).tree
            if tree is not None and len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr):
                return self.value(tree.body[0].value)
        if not isinstance(code, (str, bytes, Unknown)):
            code = Unknown("what it executes is not folded")
        self.executed.append(
            Executed("exec", node.lineno, code, how="exec", main=main, names=dict(self.names) if own else {})
        )
        return None

    def _start(self, target: Any, node: ast.Call, how: str) -> None:
        """Record a file, given by its path or module name, that is run as a program."""
        if isinstance(target, PathTo):
            target = target.path
        if isinstance(target, str):
            if how == "runpy" and "/" not in target and not target.endswith(".py"):
                target = target.replace(".", "/") + ".py"
            self.executed.append(Executed("run", node.lineno, path=target, how=how))
        else:
            reason = target if isinstance(target, Unknown) else Unknown("the file that it runs is not known")
            self.executed.append(Executed("run", node.lineno, reason, how=how))

    def _launch(self, commands: list[Any], node: ast.Call) -> Any:
        """Record a Python file that is started as a new process."""
        words: list[Any] = []
        for command in commands:
            words += (
                command
                if isinstance(command, (list, tuple))
                else str(command).split()
                if isinstance(command, str)
                else []
            )
        for word in words:
            text = word.path if isinstance(word, PathTo) else word
            if isinstance(text, str) and text.endswith(".py") and self.workspace.exists(text):
                self._start(text, node, "subprocess")
                break
        return Unknown("the outcome of a process is not folded")

    def load(self, spec: Spec, node: ast.Call) -> None:
        """Record a file that an import loader executes."""
        main = spec.name == "__main__"
        kind = "run" if main else "import"
        self.executed.append(Executed(kind, node.lineno, path=spec.path, how="import", main=main))

    def enter(self, target: Local, node: ast.Call) -> None:
        """Record a call of a function of an imported file, where it stands alone."""
        if id(node) in self._entry_calls:
            self.executed.append(
                Executed("call", node.lineno, path=target.path, how=target.module, main=True, entry=target.name)
            )

    def call_function(self, function: Function, given: list[Any], named: dict[str, Any]) -> Any:
        """Follow a call of one of the script's own functions."""
        if self._calls >= MAX_CALLS:
            return Unknown("calls are nested too deeply")
        return self._inline(function, given, named)

    def hand_over(self, function: Function) -> None:
        """Follow a function that is given to code which is not folded, such as a thread: it may call it."""
        if id(function.node) not in self._passed and self._calls < MAX_CALLS:
            self._passed.add(id(function.node))
            self._inline(function, [], {})

    def _inline(self, function: Function, given: list[Any], named: dict[str, Any]) -> Any:
        outside, self._calls = self.names, self._calls + 1
        self.names = {**function.names, **self._arguments(function, given, named)}
        try:
            if isinstance(function.node, ast.Lambda):
                return self.value(function.node.body)
            signal = self.block(function.node.body)
            return signal[1] if signal and signal[0] == "return" else None
        finally:
            self.names, self._calls = outside, self._calls - 1

    def _arguments(self, function: Function, given: list[Any], named: dict[str, Any]) -> dict[str, Any]:
        arguments = function.node.args
        positional = [*arguments.posonlyargs, *arguments.args]
        unknown = Unknown("an argument that is not known")
        bound: dict[str, Any] = {one.arg: unknown for one in [*positional, *arguments.kwonlyargs]}
        for one, default in zip(reversed(positional), reversed(arguments.defaults), strict=False):
            bound[one.arg] = self.value(default)
        for one, keyword in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            if keyword is not None:
                bound[one.arg] = self.value(keyword)
        bound.update({one.arg: value for one, value in zip(positional, given, strict=False)})
        bound.update({name: value for name, value in named.items() if name in bound})
        if arguments.vararg:
            bound[arguments.vararg.arg] = tuple(given[len(positional) :])
        if arguments.kwarg:
            bound[arguments.kwarg.arg] = {name: value for name, value in named.items() if name not in bound}
        return bound


_LAUNCHERS = frozenset(
    {f"subprocess.{name}" for name in ("run", "call", "check_call", "check_output", "Popen")}
    | {"os.system", "os.popen"}
)


def _equal(left: Any, right: Any) -> bool:
    return (
        type(left) is type(right)
        and isinstance(left, (str, bytes, int, Ref, Local, PathTo, File))
        and bool(left == right)
    )
