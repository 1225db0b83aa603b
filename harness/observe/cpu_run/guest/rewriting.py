"""Source of a submission, changed so that it tells what it does: which blocks run and what is added up.

Positions stay what they are, so that tracebacks, `inspect` and facts speak of the lines of the submission. Kernels are
left alone: their compilers read the source themselves.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import CodeType

from harness.model.plan import Directive
from harness.observe.cpu_run.guest.edits import MisplacedError, rewritten
from harness.observe.reading.source.grammar import parse

HIT, SUMS, ADDED = "__golf_hit__", "__golf_sums__", "__golf_added__"
ADDEND, ELEMENTS, IMPORTED = "__golf_addend__", "__golf_elements__", "__golf_imported__"
TAKEN, JOINED, PART, REVISED = "__golf_taken__", "__golf_joined__", "__golf_part__", "__golf_revised__"
"""Names under which the rewritten source finds its recorder among the builtins."""
OWN = "__golf_"
"""What all of these names begin with."""
_LIBRARIES = frozenset({"np", "numpy", "torch"})
"""Names whose `sum` is a function of what it sums."""
MAX_WORDS = 80
"""Characters of an expression by which its site is called."""
_KERNELS = frozenset({"jit", "autotune", "heuristics", "script", "script_method", "kernel"})
"""Last names of decorators whose functions are compiled from their source."""
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Block:
    """A stretch of statements that runs as a whole or not at all, up to an exception."""

    path: str
    layer: int
    line: int
    last: int
    function: str
    """Qualified name of the function around it; empty at the top."""
    opens: bool
    """Whether it is the body of that function."""


@dataclass(frozen=True)
class Site:
    """A statement that adds something to a variable, or sums into one."""

    path: str
    layer: int
    line: int
    target: str
    function: str
    block: int
    """Number of the block that it stands in."""
    minus: bool = False
    """Whether it subtracts, as from a sum of logarithms of probabilities."""


class Rewriter:
    """Rewrites texts and numbers their blocks and sites over all of them."""

    def __init__(self, directives: Sequence[Directive] = ()) -> None:
        self.blocks: list[Block] = []
        self.sites: list[Site] = []
        self.directives = directives
        self.followed: list[Directive] = []
        """Directives that found their text."""
        self.named: list[tuple[str, int, int]] = []
        """Path, layer and line of texts that speak of the recorder's own names, which no other text does."""

    def compiled(self, text: str, path: str, layer: int, filename: str) -> CodeType:
        """Code of a text. Raises SyntaxError where it does not parse, as compiling it unchanged would."""
        if OWN in text:
            self.named.append((path, layer, 1 + text[: text.index(OWN)].count("\n")))
        parsed = parse(text)
        edited = self._edited(parsed.text, path, unpacked=layer > 0)
        tree = parsed.tree if edited is None else parse(edited).tree
        if tree is None:
            return compile(text, filename, "exec", dont_inherit=True)  # raises what the submission would see
        _Pass(self, path, layer).module(tree)
        return compile(tree, filename, "exec", dont_inherit=True)

    def _edited(self, text: str, path: str, *, unpacked: bool) -> str | None:
        """The text with the directives of its layer; None where it has none.

        Which text out of a wrapper is which layer is told by their places: all must hold what they replace.
        """
        own = [one for one in self.directives if one.at.path == path and (one.at.layer > 0) == unpacked]
        for layer in dict.fromkeys(one.at.layer for one in own):
            together = [one for one in own if one.at.layer == layer]
            try:
                edited = rewritten(text, together)
            except MisplacedError:
                continue
            self.followed += together
            return edited
        return None


class _Pass(ast.NodeTransformer):
    """One text."""

    def __init__(self, rewriter: Rewriter, path: str, layer: int) -> None:
        self.rewriter, self.path, self.layer = rewriter, path, layer
        self.names: list[str] = []
        self.block = 0
        """Number of the block that is worked on."""

    def module(self, tree: ast.Module) -> None:
        """Change a whole tree in place."""
        tree.body = self._block(tree.body, opens=True)
        last = max((i for i, node in enumerate(tree.body) if _imports(node)), default=-1)
        place = tree.body[last] if last >= 0 else None
        tree.body.insert(last + 1 or _start(tree.body), _call(IMPORTED, [], place))
        ast.fix_missing_locations(tree)

    def _block(self, body: list[ast.stmt], *, opens: bool = False) -> list[ast.stmt]:
        if not body:
            return body
        number = len(self.rewriter.blocks)
        last = body[-1].end_lineno or body[-1].lineno
        function = ".".join(self.names)
        self.rewriter.blocks.append(Block(self.path, self.layer, body[0].lineno, last, function, opens))
        changed: list[ast.stmt] = []
        around, self.block, known = self.block, number, len(self.rewriter.sites)
        for node in body:
            changed += self._statement(node)
        self.block = around
        sums = any(site.block == number for site in self.rewriter.sites[known:])
        changed.insert(_start(changed), _call(SUMS if sums else HIT, [number], changed[0]))
        return changed

    def _statement(self, node: ast.stmt) -> list[ast.stmt]:
        if isinstance(node, _Function):
            if any(_last_name(decorator) in _KERNELS for decorator in node.decorator_list):
                return [node]
            self.names.append(node.name)
            node.body = self._block(node.body, opens=True)
            self.names.pop()
        elif isinstance(node, ast.ClassDef):
            self.names.append(node.name)
            node.body = [new for child in node.body for new in self._statement(child)]
            self.names.pop()
        elif isinstance(node, ast.Match):
            for case in node.cases:
                case.body = self._block(case.body)
        else:
            for name in ("body", "orelse", "finalbody"):
                part = getattr(node, name, None)
                if isinstance(part, list):
                    setattr(node, name, self._block(part))
            for handler in getattr(node, "handlers", ()):
                handler.body = self._block(handler.body)
        target = _added_to(node)
        told = None if target is None else self._told(target, node)
        told = self._joined(node) if told is None else told
        before = self._revised(node) if told is None else None
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.Return)):
            node = _Lookups().visit(_Quotients(self.site).visit(node))
        return [one for one in (before, node, told) if one is not None]

    def _told(self, target: ast.expr, node: ast.stmt) -> ast.stmt:
        words = ast.unparse(target)
        number = self.site(words, node, minus=_subtracts(node))
        _show_addend(node, words, number)
        value = ast.parse(words, mode="eval").body
        return _call(ADDED, [number, value], node)

    def _joined(self, node: ast.stmt) -> ast.stmt | None:
        """What tells of `whole = one + other`, where each of the two may be a sum; None for all other statements."""
        sums = isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.value, ast.BinOp)
        names = _names_added(node.value) if sums and isinstance(node, ast.Assign) else []
        target = node.targets[0] if names and isinstance(node, ast.Assign) else None
        if not isinstance(target, ast.Name):
            return None
        read = [ast.Name(name, ast.Load()) for name in (target.id, *names)]
        return _call(JOINED, [self.site(target.id, node), *read], node)

    def _revised(self, node: ast.stmt) -> ast.stmt | None:
        """What tells of `x = x - one + other`, which is about to be computed; None for all other statements."""
        single = isinstance(node, ast.Assign) and len(node.targets) == 1 and _plain(node.targets[0])
        if not isinstance(node, ast.Assign) or not single or not isinstance(node.value, ast.BinOp):
            return None
        target = ast.unparse(node.targets[0])
        signs, parts = zip(*_signed(node.value), strict=True)
        words = [ast.unparse(one) for one in parts]
        if words[0] != target or signs[0] != "+" or "-" not in signs or not all(map(_plain, parts)):
            return None
        read: list[ast.expr | int] = [ast.parse(one, mode="eval").body for one in words]
        given = ast.Constant("".join(signs))
        return _call(REVISED, [self.site(target, node), given, *read], node)

    def site(self, target: str, node: ast.stmt | ast.expr, *, minus: bool = False) -> int:
        """The number of a new site in the function and block that are worked on."""
        place = (self.path, self.layer, node.lineno, target, ".".join(self.names), self.block)
        self.rewriter.sites.append(Site(*place, minus=minus))
        return len(self.rewriter.sites) - 1


class _Quotients(ast.NodeTransformer):
    """Lets be seen what is divided where the dividend is a sum over an array: such a score is made in one go."""

    def __init__(self, site: Callable[[str, ast.expr], int]) -> None:
        self._site = site

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """`x.sum() / n`: the dividend and the divisor are handed on as they are."""
        sums = [part for part in ast.walk(node.left) if isinstance(part, ast.Call) and _last_name(part) == "sum"]
        sides = ("left", "right") if isinstance(node.op, ast.Div) and len(sums) == 1 else ()
        words = [ast.unparse(getattr(node, side))[:MAX_WORDS] for side in sides]
        self.generic_visit(node)
        for side, target in zip(sides, words, strict=True):
            value: ast.expr = getattr(node, side)
            setattr(node, side, _seen(PART, value, self._site(target, value)))
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        """Left alone: others may read its source."""
        return node


class _Lookups(ast.NodeTransformer):
    """Lets be seen what is looked up by two indices, a row and a token each: a plain array cannot tell of it."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """`a[b, c]`, where neither index is a slice or written out."""
        self.generic_visit(node)
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) and isinstance(node.ctx, ast.Load) else []
        if len(parts) != 2 or any(isinstance(part, (ast.Slice, ast.Constant, ast.Starred)) for part in parts):
            return node
        return ast.copy_location(ast.Call(ast.Name(TAKEN, ast.Load()), [node.value, node.slice], []), node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        """Left alone: others may read its source."""
        return node


def _added_to(node: ast.stmt) -> ast.expr | None:
    """The variable that `x += e`, `x = x + e` or `x = e.sum()` sums into, where reading it again changes nothing.

    Subtracting adds, too: what is made of logarithms of probabilities only grows by it.
    """
    if isinstance(node, ast.AugAssign) and isinstance(node.op, (ast.Add, ast.Sub)):
        return node.target if _plain(node.target) else None
    if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and _plain(node.targets[0])):
        return None
    target = node.targets[0]
    if isinstance(node.value, ast.BinOp) and isinstance(node.value.op, (ast.Add, ast.Sub)):
        sides = (node.value.left,) if isinstance(node.value.op, ast.Sub) else (node.value.left, node.value.right)
        return target if ast.unparse(target) in set(map(ast.unparse, sides)) else None
    summed = any(isinstance(part, ast.Call) and _last_name(part) == "sum" for part in ast.walk(node.value))
    return target if summed else None


def _names_added(value: ast.expr) -> list[str]:
    """The variables of `one + other + third`; none where anything else is part of it."""
    if isinstance(value, ast.Name):
        return [value.id]
    if not isinstance(value, ast.BinOp) or not isinstance(value.op, ast.Add):
        return []
    left, right = _names_added(value.left), _names_added(value.right)
    return left + right if left and right else []


def _signed(value: ast.expr) -> list[tuple[str, ast.expr]]:
    """The parts of a chain of additions and subtractions, from left to right, with their signs."""
    if isinstance(value, ast.BinOp) and isinstance(value.op, (ast.Add, ast.Sub)):
        return [*_signed(value.left), ("+" if isinstance(value.op, ast.Add) else "-", value.right)]
    return [("+", value)]


def _subtracts(node: ast.stmt) -> bool:
    """Whether a statement that `_added_to` names takes something from its variable."""
    operation = node if isinstance(node, ast.AugAssign) else getattr(node, "value", None)
    return isinstance(operation, (ast.AugAssign, ast.BinOp)) and isinstance(operation.op, ast.Sub)


def _show_addend(node: ast.stmt, target: str, number: int) -> None:
    """Let what is added be seen on its way: it is evaluated where it was, and handed on as it is."""
    if isinstance(node, ast.AugAssign):
        node.value = _handed_on(node.value, number)
    elif isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp):
        if ast.unparse(node.value.left) == target:
            node.value.right = _handed_on(node.value.right, number)
        elif ast.unparse(node.value.right) == target:
            node.value.left = _handed_on(node.value.left, number)


def _handed_on(value: ast.expr, number: int) -> ast.expr:
    _show_elements(value, number)
    return _seen(ADDEND, value, number)


def _show_elements(value: ast.expr, number: int) -> None:
    """Where one sum over all elements is added, let these be seen: of `e` in `e.sum()`, or in `np.sum(e)`."""
    sums = [part for part in ast.walk(value) if isinstance(part, ast.Call) and _last_name(part) == "sum"]
    if len(sums) != 1 or not isinstance(sums[0].func, ast.Attribute):
        return
    (call,), function = sums, sums[0].func
    named = isinstance(function.value, ast.Name) and function.value.id in _LIBRARIES
    if named and len(call.args) == 1 and not call.keywords and not isinstance(call.args[0], ast.Starred):
        call.args[0] = _seen(ELEMENTS, call.args[0], number)
    elif not named and not call.args and all(keyword.arg == "dtype" for keyword in call.keywords):
        function.value = _seen(ELEMENTS, function.value, number)


def _seen(name: str, value: ast.expr, number: int) -> ast.Call:
    call = ast.Call(ast.Name(name, ast.Load()), [ast.Constant(number), value], [])
    for new in (call, call.func, call.args[0]):
        ast.copy_location(new, value)
    return call


def _plain(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute) or (isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)):
        node = node.value
    return isinstance(node, ast.Name)


def _imports(node: ast.stmt) -> bool:
    """Whether a statement imports, under a guard or not."""
    if isinstance(node, (ast.Try, ast.If)):
        return any(map(_imports, node.body))
    return isinstance(node, (ast.Import, ast.ImportFrom))


def _start(body: list[ast.stmt]) -> int:
    """Where statements may be put in: behind the docstring and imports from the future."""
    if not body:
        return 0
    first = body[0]
    at = int(
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    while at < len(body):
        node = body[at]
        if not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            break
        at += 1
    return at


def _last_name(node: ast.expr) -> str | None:
    while isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else None


def _call(name: str, arguments: list[ast.expr | int], place: ast.AST | None) -> ast.stmt:
    given = [value if isinstance(value, ast.expr) else ast.Constant(value) for value in arguments]
    node = ast.Expr(ast.Call(ast.Name(name, ast.Load()), given, []))
    line = getattr(place, "lineno", 1)
    for inner in ast.walk(node):
        if isinstance(inner, (ast.expr, ast.stmt)):
            inner.lineno = inner.end_lineno = line
            inner.col_offset = inner.end_col_offset = 0
    return node
