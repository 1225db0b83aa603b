"""What is broken in a program whatever it runs on: it reads what nothing in it can have given a value.

Such an exception needs no full-size run to be laid to the submission. Everything here errs on the side of "may be
bound": a name in a text that is executed, a `*` import, an attribute set through a string all count as a binding.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.observe.cpu_run.contradictions import contradiction
from harness.observe.cpu_run.report import Raised
from harness.observe.reading.launch.declaring import reads_environment
from harness.observe.reading.source.grammar import parse

_AMBIGUOUS = "Boolean value of Tensor with more than one value is ambiguous"
_LOCAL = re.compile(r"(?:cannot access )?local variable '(\w+)'")
_NAME = re.compile(r"name '(\w+)' is not defined")
_ATTRIBUTE = re.compile(r"'(\w+)' object has no attribute '(\w+)'")
_INDEX_TYPE = re.compile(
    r"'(?:index|indices)' to have one of the following scalar types: .*but got \w*?(U?Int(?:8|16)|UInt\d+)"
)
_SIGNATURE = re.compile(
    r"(?P<callee>[\w.<>]+)\(\) (?:got an unexpected keyword argument|got multiple values|missing \d+ required|takes )"
)
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_UNSEEN = frozenset({"exec", "globals", "locals", "vars", "setattr", "__dict__", "__getattr__", "*"})
"""Names by which a program may bind others unseen."""
_WRAPPER = "DistributedDataParallel"
_PLAIN_BASES = frozenset({"object", "Module"})
"""Last names of bases whose own attributes are no matter of versions."""


def broken_by(raised: Raised, texts: Sequence[str], line: int | None) -> str | None:
    """Why an exception would come up on any machine; None where that is not shown.

    `texts` are those of the file that raised it, what its wrappers unpack to last, and `line` is one of the last.
    """
    index = _INDEX_TYPE.search(raised.message)
    if index is not None:
        return f"torch takes no {index[1].lower()} tensor as an index, on any device: convert it to int64."
    if raised.message.startswith("Weights only load failed") and "harness" not in raised.message:
        return "torch.load refuses what the program itself has saved: say weights_only=False."
    trees = [tree for tree in (parse(text).tree for text in texts) if tree is not None]
    if not trees or line is None or len(trees) != len(texts):
        return None
    try:
        by_itself = _fails_by_itself(raised, trees[-1], line) or contradiction(raised, trees[-1])
        if by_itself is not None:
            return by_itself
        local = _LOCAL.match(raised.message) if raised.exception == "UnboundLocalError" else None
        if local is not None and not _may_be_bound(trees[-1], line, local[1]):
            return f"No way through the function gives {local[1]} a value before line {line} reads it."
        early = _named_too_early(raised, trees, line)
        if early is not None or _binds_unseen(trees[-1]):
            return early
        nodes = [node for tree in trees for node in ast.walk(tree)]
        named = _NAME.match(raised.message) if raised.exception == "NameError" else None
        if named is not None:
            return _never_named(trees, named[1], line)
        called = _SIGNATURE.match(raised.message) if raised.exception == "TypeError" else None
        if called is not None and _is_called_wrongly(trees[-1], nodes, called["callee"].split("."), line):
            return "The call does not fit the function that the program defines."
        found = _ATTRIBUTE.fullmatch(raised.message) if raised.exception == "AttributeError" else None
        return _never_set(nodes, found[1], found[2]) if found is not None else None
    except RecursionError:  # a tree thousands of levels deep
        return None


def _fails_by_itself(raised: Raised, tree: ast.Module, line: int) -> str | None:
    """What one line does that fails with any values, by the expressions that it holds."""
    here = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.expr) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    asks = any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "input" for node in here
    )
    if raised.exception == "EOFError" and asks:
        return "The program asks at the keyboard, where nobody sits behind torchrun: read it from the environment."
    searches = any(
        isinstance(node, ast.Compare) and any(isinstance(one, (ast.In, ast.NotIn)) for one in node.ops) for node in here
    )
    if raised.message.startswith(_AMBIGUOUS) and searches:
        return "`in` compares tensors by their values, which are more than one at any size: look for their ids."
    return None


def _named_too_early(raised: Raised, trees: Sequence[ast.Module], line: int) -> str | None:
    """A sentence where a line of the module's own scope reads a name that only statements below it bind.

    What comes below has not been executed when the line is, so that it may bind what it likes.
    """
    named = _NAME.match(raised.message) if raised.exception == "NameError" else None
    inside = any(
        _holds(node.body, line) if isinstance(node, _Function) else node.lineno <= line <= (node.end_lineno or line)
        for node in ast.walk(trees[-1])
        if isinstance(node, _SCOPES)
    )
    if named is None or inside:
        return None
    above = ast.Module([node for node in trees[-1].body if node.lineno <= line], [])
    if _binds_unseen(above) or named[1] not in _bound_in(_at_the_top(trees[-1])):
        return None
    found = _never_named([*trees[:-1], above], named[1], line)
    return None if found is None else f"Line {line} reads {named[1]} before anything gives it a value."


def _is_called_wrongly(tree: ast.Module, nodes: Sequence[ast.AST], callee: Sequence[str], line: int) -> bool:
    """Whether the program defines the callee, and calls it at the line with arguments that are all written out."""
    here = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    unpacked = any(
        any(isinstance(argument, ast.Starred) for argument in call.args)
        or any(keyword.arg is None for keyword in call.keywords)
        for call in here
    )
    functions = {node.name for node in nodes if isinstance(node, _Function) and not node.decorator_list}
    classes = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    owned = len(callee) == 1 or callee[-2] in classes
    return bool(here) and not unpacked and callee[-1] in functions and owned


def _never_named(trees: Sequence[ast.Module], name: str, line: int) -> str | None:
    """A sentence where nothing that a line of the last text can see binds a name.

    Wrappers may bind any of theirs, and any that stands in a string: a key of the namespace that they execute in.
    """
    wrapping = [node for tree in trees[:-1] for node in ast.walk(tree)]
    seen = _bound_in(wrapping) | _words(wrapping) | _bound_in(_at_the_top(trees[-1]))
    for node in ast.walk(trees[-1]):
        if isinstance(node, ast.Global):
            seen.update(node.names)
        elif isinstance(node, (*_SCOPES, ast.ClassDef)) and node.lineno <= line <= (node.end_lineno or node.lineno):
            seen |= _bound_in(ast.walk(node))
    if name in dir(builtins) or name in seen:
        return None
    return f"Nothing that line {line} can see gives {name} a value: define or import it."


def _at_the_top(tree: ast.Module) -> Iterator[ast.AST]:
    """Nodes of the module's own scope, with the functions and classes themselves."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, (*_SCOPES, ast.ClassDef)):
            pending.extend(ast.iter_child_nodes(node))


def _never_set(nodes: Sequence[ast.AST], kind: str, name: str) -> str | None:
    """A sentence where the attributes of class `kind` are known and nothing in the program sets one of that name.

    The class is the program's own, or torch's wrapper around a module, which has none of the module's.
    """
    classes = {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}
    bases = [_last(base) for base in (classes[kind].bases if kind in classes else ())]
    if kind not in (*classes, _WRAPPER) or any(base not in _PLAIN_BASES and base not in classes for base in bases):
        return None
    if name in _words(nodes) or (kind != _WRAPPER and name in _bound_in(nodes)):
        return None
    return f"Nothing in the program sets {name} of {kind}."


def _binds_unseen(tree: ast.Module) -> bool:
    """Whether a program may bind names or attributes by other means than statements that name them."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    return any(
        (isinstance(node, ast.Name) and node.id in _UNSEEN and not _only_reads(node, parents))
        or (isinstance(node, ast.Attribute) and node.attr in _UNSEEN)
        or (isinstance(node, ast.alias) and node.name == "*")
        or (isinstance(node, _Function) and node.name in _UNSEEN)
        for node in ast.walk(tree)
    )


def _only_reads(node: ast.Name, parents: Mapping[ast.AST, ast.AST]) -> bool:
    """Whether this is `vars(...)`, `globals()` or `locals()`, and goes through what it holds or looks one name up."""
    call = parents.get(node)
    if node.id not in {"vars", "globals", "locals"} or not isinstance(call, ast.Call) or call.func is not node:
        return False
    use = parents.get(call)
    if isinstance(use, ast.Attribute):
        return use.attr in {"items", "keys", "values", "get"}
    if isinstance(use, ast.Call):
        return isinstance(use.func, ast.Name) and use.func.id in {"sorted", "dict", "list", "len", "str", "print"}
    return isinstance(use, (ast.For, ast.comprehension, ast.Compare))


def _words(nodes: Sequence[ast.AST]) -> set[str]:
    """Names of attributes that are stored and of keywords, and every word in a string but defaults of settings."""
    found: set[str] = set()
    reads = [node for node in nodes if isinstance(node, ast.Call) and reads_environment(node.func)]
    defaults = {id(one) for read in reads for one in read.args}
    for node in nodes:
        if id(node) in defaults:
            continue
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            found.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg is not None:
            found.add(node.arg)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.update(re.findall(r"\w+", node.value))
    return found


def _bound_in(nodes: Iterable[ast.AST]) -> set[str]:
    """Names that these nodes bind."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            found.add(node.rest)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            found.update(node.names)
    return found


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else "?"


def _may_be_bound(tree: ast.Module, line: int, name: str) -> bool:
    """Whether a way from the start of the function around a line to that line can bind a local name."""
    around = [node for node in ast.walk(tree) if isinstance(node, _Function) and _holds(node.body, line)]
    if not around:
        return True
    function = max(around, key=lambda node: node.lineno)
    if any(isinstance(node, (ast.Delete, ast.Global, ast.Nonlocal)) for node in ast.walk(function)):
        return True
    flow = _Flow(line, name)
    flow.through(function.body, bound=name in _bound_in(ast.walk(function.args)))
    return flow.met is not False


class _Flow:
    """The ways through a function, told apart only by whether one of them has bound the name."""

    def __init__(self, line: int, name: str) -> None:
        self.line, self.name = line, name
        self.met: bool | None = None
        """Whether the name may be bound where the line begins; None where it was not reached."""

    def through(self, body: Sequence[ast.stmt], *, bound: bool) -> bool | None:
        """Whether the name may be bound behind these statements; None where no way leads out of their end."""
        state: bool | None = bound
        for node in body:
            if state is None:
                return None
            if node.lineno <= self.line <= (node.end_lineno or node.lineno):
                here = state or self._in_loop(node) or self._walrus(node)
                self.met = here if self.met is None else self.met or here
            state = self._behind(node, bound=state)
        return state

    def _behind(self, node: ast.stmt, *, bound: bool) -> bool | None:
        if isinstance(node, (ast.Return, ast.Raise, ast.Break, ast.Continue)):
            return None
        if isinstance(node, ast.If):
            ways = [self._inner(part, bound=bound) for part in (node.body, node.orelse)]
            open_ways = [way for way in ways if way is not None]
            return any(open_ways) if open_ways else None
        if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            bound = bound or self._binds(node)  # every turn, and whatever a `break` leaves
            self._inner(node.body, bound=bound)
            self._inner(node.orelse, bound=bound)
            return bound
        if isinstance(node, (ast.Try, ast.With, ast.AsyncWith, ast.Match)):
            bound = bound or self._binds(node)
            for part in _bodies(node):
                self._inner(part, bound=bound)
            return bound
        return bound or self._binds(node)

    def _inner(self, body: Sequence[ast.stmt], *, bound: bool) -> bool | None:
        if _holds(body, self.line):
            self.met = None  # what was said of the statement around it is said more exactly inside
        return self.through(body, bound=bound)

    def _in_loop(self, node: ast.stmt) -> bool:
        return isinstance(node, (ast.For, ast.AsyncFor, ast.While)) and self._binds(node)

    def _walrus(self, node: ast.stmt) -> bool:
        return any(isinstance(part, ast.NamedExpr) and part.target.id == self.name for part in ast.walk(node))

    def _binds(self, node: ast.stmt) -> bool:
        return self.name in _bound_in(ast.walk(node))


def _holds(body: Sequence[ast.stmt], line: int) -> bool:
    return bool(body) and body[0].lineno <= line <= (body[-1].end_lineno or body[-1].lineno)


def _bodies(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        yield getattr(node, name, [])
    for holder in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        yield holder.body
