"""Sizes that a program writes as literals: where they stand, so that they can be rewritten.

Nothing is found by searching text: every place is a node of the parsed tree with its own span. The forms that real
submissions use are in `Form`; late assignments that would undo another source of a setting (`args.eval_stride = 64`,
`os.environ["ITERATIONS"] = "9000"`) are forms like the others.
"""

from __future__ import annotations

import ast
import lzma
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from harness.model.base import At
from harness.model.plan import Directive, Meaning
from harness.observe.cpu_run.planning.meanings import AMBIGUOUS, SECONDS, USUAL, meaning_of
from harness.observe.reading.source.grammar import Parsed
from harness.observe.reading.source.index import called, name_of, nodes_under
from harness.observe.reading.source.outline import Surroundings

MAX_DECLARATIONS = 2_000
_CAN_SHIFT = 64
_TEST_SIZES = 256
"""Smaller counts of elements that a condition names are not thresholds of quantisation."""
_LEAST_LENGTH = 256
"""A shorter sequence beside a size only keeps it from being nothing."""
_LEAST_STEPS = 100
"""Fewer steps in a condition are the first ones, which are told or counted in another way."""
_LEAST_TOKENS = 50
_TOKENS_SEEN = re.compile(r"(?:n_|num_)?(?:total_|seen_)?tokens(?:_seen|_total)?|token_count", re.IGNORECASE)
"""Names of what counts the tokens that were seen so far: a table is asked from so many on."""
_LEAST_WIDTH = 32
"""Fewer rows or columns that a condition names are tiles or groups, not a width of the model."""
_WEIGHTS = frozenset({"weight", "param", "p", "w"})
"""Names by which programs go through matrices of weights."""

_MANY_PARAMETERS = 100_000
"""From so many on, a number of parameters is that of the whole model."""
_COMPRESSORS = frozenset({"compress", "Compressor", "ZstdCompressor", "LZMACompressor"})
_EFFORTS = frozenset({"quality", "level", "preset"})
_LARGEST_DIVISOR = 16
"""Tokens a step are divided by more only to be printed."""
_MOST_PROCESSES = 64
"""Larger numbers that are divided by the processes are tokens or sequences."""


class Form(StrEnum):
    """How a size is written."""

    CLASS = "class attribute"
    MODULE = "module constant"
    ARGUMENT = "argparse default"
    DICT = "entry of a dictionary"
    ATTRIBUTE = "attribute set later"
    ENVIRON = "environment set by the program"
    DEFAULT = "default of a parameter"
    KEYWORD = "keyword argument"
    LOCAL = "local variable"
    COMPARISON = "literal in a condition"
    LEAST = "literal beside a size, of which the larger counts"
    SPLIT = "literal divided by the number of processes"


_LOOSE = frozenset({Form.DEFAULT, Form.KEYWORD, Form.LOCAL})
"""Forms in which names mean many things: only what evaluation and quantisation are given is taken there."""
_LOOSE_MEANINGS = frozenset(
    {
        Meaning.STRIDE, Meaning.EVAL_BATCH, Meaning.EVAL_BATCH_TOKENS, Meaning.EVAL_SEQUENCE, Meaning.SEQUENCE,
        Meaning.CALIBRATION_BATCHES, Meaning.CALIBRATION_LENGTH, Meaning.CHUNK_TOKENS, Meaning.CHUNK_SEQUENCES,
        Meaning.TTT_EPOCHS, Meaning.TTT_STEPS, Meaning.TTT_BATCH, Meaning.BUCKETS, Meaning.BUCKET_BITS,
        Meaning.DOCUMENTS, Meaning.TOKEN_LIMIT, Meaning.NUMEL, Meaning.WALLCLOCK, Meaning.RESERVE,
        Meaning.EFFORT, Meaning.CACHE_TOKENS,
    }
)  # fmt: skip
_IN_EVALUATION = frozenset({"stride", "seq_len", "max_seq_len", "chunk_size"})
"""Ambiguous names that count where the function, or what is called, is named after evaluation or calibration."""
_COUNTS = frozenset({"num_seqs", "n_seqs", "num_samples", "n_samples", "num_batches", "n_batches"})
_CALIBRATION_WORDS = ("calib", "hessian", "gptq")
_EVALUATION_WORDS = ("eval", "slid", "val", "ttt", "score", "calib", "slot", "ngram", "hessian", "generate")


@dataclass(frozen=True)
class Declaration:
    """One literal size. `text` is its source; `node` may be any constant expression that stands on one line."""

    name: str
    value: int | float
    meaning: Meaning
    form: Form
    at: At
    column: int
    end_column: int
    text: str
    quoted: bool = False
    """A text literal: the environment holds nothing else."""
    whole: bool = True
    """An integer: its replacement must be one."""

    def directive(self, value: float, why: str) -> Directive:
        """Its text replaced by `value`."""
        written = repr(int(value)) if self.whole and self.meaning not in SECONDS else repr(float(value))
        return Directive(
            at=self.at,
            column=self.column,
            end_column=self.end_column,
            old=self.text,
            new=f'"{written}"' if self.quoted else written,
            why=why,
            setting=self.name[:120],
            meaning=self.meaning,
        )


def declarations(parsed: Parsed, path: str, layer: int) -> tuple[Declaration, ...]:
    """All literal sizes of a program in the order of the text; none where it does not parse."""
    if parsed.tree is None:
        return ()
    found: dict[tuple[int, int], Declaration] = {}
    lines = parsed.text.split("\n")
    for name, node, form in _literals(parsed):
        one = _declaration(name, node, form, At(path=path, line=node.lineno, layer=layer), lines)
        if one is not None:
            found.setdefault((one.at.line or 0, one.column), one)
        if len(found) >= MAX_DECLARATIONS:
            break
    return tuple(found[place] for place in sorted(found))


def _declaration(name: str, node: ast.expr, form: Form, at: At, lines: list[str]) -> Declaration | None:
    value = number_in(node)
    quoted = False
    if value is None and form in (Form.ENVIRON, Form.ARGUMENT) and isinstance(node, ast.Constant):
        value, quoted = _number_text(node.value), True
    if value is None or node.end_lineno != node.lineno or node.end_col_offset is None:
        return None
    meaning = meaning_of(name, value)
    local = form is Form.LOCAL and meaning is Meaning.ACCUMULATION
    if meaning is None or (form in _LOOSE and meaning not in _LOOSE_MEANINGS and not local):
        return None
    text = lines[node.lineno - 1].encode()[node.col_offset : node.end_col_offset].decode(errors="replace")
    whole = isinstance(value, int)
    return Declaration(name, value, meaning, form, at, node.col_offset, node.end_col_offset, text, quoted, whole)


def whole_seconds(parsed: Parsed, path: str, layer: int) -> dict[str, Directive]:
    """Variables that limit the training in whole seconds, and how each `int(os.environ[...])` comes to take fractions.

    The run's clock makes all its steps last less than a second.
    """
    found: dict[str, Directive] = {}
    limit = USUAL[Meaning.WALLCLOCK]
    for call in parsed.index.calls.get("int", ()):
        texts = [part.value for part in nodes_under(call) if isinstance(part, ast.Constant)]
        read = any(name_of(part) in ("environ", "getenv") for part in nodes_under(call))
        name = next((text for text in texts if isinstance(text, str) and meaning_of(text, limit) in SECONDS), None)
        if read and name is not None and isinstance(call.func, ast.Name):
            found[name] = Directive(
                at=At(path=path, line=call.lineno, layer=layer),
                column=call.col_offset,
                end_column=call.col_offset + len("int"),
                old="int",
                new="float",
                why="the run's clock makes its steps last less than a second",
                setting=name,
                meaning=Meaning.WALLCLOCK,
            )
    return found


def divisor_of_batches(parsed: Parsed) -> int:
    """The largest number that the program divides its tokens a step by on the way to a loader; 1 without one."""
    found = [1]
    for division in parsed.index.of(ast.BinOp):
        divisor = number_in(division.right) if isinstance(division.op, ast.FloorDiv) else None
        tokens = meaning_of(name_of(division.left) or "", USUAL[Meaning.BATCH_TOKENS]) is Meaning.BATCH_TOKENS
        if tokens and isinstance(divisor, int) and 1 < divisor <= _LARGEST_DIVISOR:
            found.append(divisor)
    return max(found)


def number_in(node: ast.expr, depth: int = 0) -> int | float | None:
    """The number that a literal, or arithmetic on literals, stands for; None for everything else."""
    if isinstance(node, ast.Constant):
        value = node.value
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if name_of(node) == "PRESET_EXTREME":
        return lzma.PRESET_EXTREME
    if depth > 4 or not isinstance(node, (ast.BinOp, ast.UnaryOp)):
        return None
    if isinstance(node, ast.UnaryOp):
        inner = number_in(node.operand, depth + 1)
        return -inner if inner is not None and isinstance(node.op, ast.USub) else None
    left, right = number_in(node.left, depth + 1), number_in(node.right, depth + 1)
    if left is None or right is None or abs(left) > 1 << 62 or abs(right) > 1 << 62:
        return None
    match node.op:
        case ast.Mult():
            return left * right
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.FloorDiv() if right:
            return left // right
        case ast.BitOr() if isinstance(left, int) and isinstance(right, int):
            return left | right
        case ast.LShift() if isinstance(left, int) and isinstance(right, int) and 0 <= right < _CAN_SHIFT:
            return left << right
        case ast.Pow() if (
            isinstance(left, int) and isinstance(right, int) and 0 <= right < _CAN_SHIFT and abs(left) <= 16
        ):
            return int(left**right)
    return None


def _least_parameters(compare: ast.Compare) -> ast.expr | None:
    """The literal that a number of parameters must pass: `26_000_000 < n_params`, or `n_params > 26_000_000`."""
    first, operator, second = compare.left, compare.ops[0], compare.comparators[0]
    if isinstance(operator, (ast.Gt, ast.GtE)):
        first, second = second, first
    elif not isinstance(operator, (ast.Lt, ast.LtE)):
        return None
    counted = "param" in (name_of(second) or "").lower()
    return first if counted and (number_in(first) or 0) >= _MANY_PARAMETERS else None


def _counts_steps(node: ast.expr) -> bool:
    """The step of the training, or the number of all its steps: `step >= 2000`, `args.iterations < 1000`."""
    name = (name_of(node) or "").lower()
    return name == "step" or meaning_of(name, USUAL[Meaning.STEPS]) is Meaning.STEPS


def _is_length(name: str) -> bool:
    """Whether a name is that of a sequence length: `max(args.train_seq_len, 4096)` is one as well."""
    return meaning_of(name, USUAL[Meaning.SEQUENCE]) in (Meaning.SEQUENCE, Meaning.EVAL_SEQUENCE)


def _measures_weights(node: ast.expr) -> bool:
    """One size of a matrix of weights: `module.weight.shape[0]`, `p.size(1)`.

    The width from which matrices are initialised, trained or quantised in another way is meant for the full size.
    """
    holder = node.value if isinstance(node, ast.Subscript) else node.func if isinstance(node, ast.Call) else None
    if not isinstance(holder, ast.Attribute) or holder.attr not in ("shape", "size"):
        return False
    return name_of(holder.value) in _WEIGHTS


def _number_text(value: object) -> int | float | None:
    if not isinstance(value, str) or len(value) > 30:
        return None
    try:
        return int(value)
    except ValueError:
        pass
    try:
        number = float(value)
    except ValueError:
        return None
    return number if abs(number) < 1e15 else None


def _literals(parsed: Parsed) -> Iterator[tuple[str, ast.expr, Form]]:
    """Names with the expressions that are given to them, in all forms."""
    for statement, around in parsed.outline.statements:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                yield from _assigned(target, statement.value, around)
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            yield from _assigned(statement.target, _field_default(statement.value), around)
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _defaults(statement)
    for call in parsed.index.of(ast.Call):
        yield from _given(call)
    for entries in parsed.index.of(ast.Dict):
        for key, value in zip(entries.keys, entries.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, value, Form.DICT
    for compare in parsed.index.of(ast.Compare):
        limit = compare.comparators[0]
        least = _least_parameters(compare)
        if least is not None:
            yield "min_parameters", least, Form.COMPARISON
        is_order = isinstance(compare.ops[0], (ast.Lt, ast.LtE, ast.Gt, ast.GtE))  # a header has exactly 256 numbers
        if is_order and called(compare.left) == "numel" and (number_in(limit) or 0) >= _TEST_SIZES:
            yield "min_numel", limit, Form.COMPARISON
        if is_order and _measures_weights(compare.left) and (number_in(limit) or 0) >= _LEAST_WIDTH:
            yield "min_width", limit, Form.COMPARISON
        if (
            is_order
            and _TOKENS_SEEN.fullmatch(name_of(compare.left) or "")
            and (number_in(limit) or 0) >= _LEAST_TOKENS
        ):
            yield "cache_min_tokens", limit, Form.COMPARISON  # a table that is asked from then on, mostly
        if is_order and _counts_steps(compare.left) and (number_in(limit) or 0) >= _LEAST_STEPS:
            yield "switch_step", limit, Form.COMPARISON
        slots = is_order and meaning_of(name_of(compare.left) or "", number_in(limit)) is Meaning.BUCKETS
        if slots and (number_in(limit) or 0) >= _TEST_SIZES:
            yield "buckets", limit, Form.COMPARISON  # the least that the program takes
    for call in parsed.index.calls.get("max", ()):
        lengths = [name for one in call.args if _is_length(name := name_of(one) or "")]
        for one in call.args if lengths else ():
            if (number_in(one) or 0) >= _LEAST_LENGTH:
                yield lengths[0], one, Form.LEAST
    for division in parsed.index.of(ast.BinOp):
        whole = isinstance(division.op, ast.FloorDiv) and 1 < (number_in(division.left) or 0) <= _MOST_PROCESSES
        if whole and _counts_processes(division.right):
            yield "grad_accum_steps", division.left, Form.SPLIT


def _counts_processes(node: ast.expr) -> bool:
    """`world_size`, wherever it is kept, as it is or inside a call like `max(1, world_size)`."""
    named = nodes_under(node) if isinstance(node, ast.Call) else (node,)
    return any((name_of(part) or "").lower().endswith("world_size") for part in named)


def _assigned(target: ast.expr, value: ast.expr, around: Surroundings) -> Iterator[tuple[str, ast.expr, Form]]:
    if isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
        for part, given in zip(target.elts, value.elts, strict=False):
            yield from _assigned(part, given, around)
    elif isinstance(target, ast.Name):
        if around.function is None:
            yield target.id, value, Form.CLASS if around.classes else Form.MODULE
        elif _usable(target.id, around.function.name):
            yield target.id, value, Form.LOCAL
    elif isinstance(target, ast.Attribute):
        own = isinstance(target.value, ast.Name) and target.value.id == "self"
        if not own or (around.classes and _is_settings(around.classes[-1])):
            yield target.attr, value, Form.ATTRIBUTE
    elif isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
        key = target.slice.value
        if isinstance(key, str):
            yield key, value, Form.ENVIRON if name_of(target.value) == "environ" else Form.DICT


def _is_settings(cls: ast.ClassDef) -> bool:
    """A class that holds settings, not a part of the model: no base class but plain ones."""
    return not any("Module" in (name_of(base) or "") or "Optimizer" in (name_of(base) or "") for base in cls.bases)


def _field_default(value: ast.expr) -> ast.expr:
    """The default inside `field(default=...)`."""
    if called(value) in ("field", "Field") and isinstance(value, ast.Call):
        return next((keyword.value for keyword in value.keywords if keyword.arg == "default"), value)
    return value


def _defaults(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, ast.expr, Form]]:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args]
    pairs = [*zip(reversed(named), reversed(arguments.defaults), strict=False)]
    pairs += [(one, given) for one, given in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if given]
    for argument, default in pairs:
        if _usable(argument.arg, function.name):
            yield _in(function.name, argument.arg), default, Form.DEFAULT


def _given(call: ast.Call) -> Iterator[tuple[str, ast.expr, Form]]:
    name = called(call) or ""
    if name == "add_argument":
        options = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        default = next((keyword.value for keyword in call.keywords if keyword.arg == "default"), None)
        if options and default is not None:
            yield max(options, key=len).lstrip("-"), default, Form.ARGUMENT
        return
    if name in _COMPRESSORS:
        for keyword in call.keywords:
            if keyword.arg in _EFFORTS:
                yield f"compression_{keyword.arg}", keyword.value, Form.KEYWORD
        return
    config = name == "dict" or name.endswith(("Config", "Args", "Hyperparameters", "Settings"))
    for keyword in call.keywords:
        if keyword.arg is not None and (config or _usable(keyword.arg, name)):
            yield _in(name, keyword.arg), keyword.value, Form.DICT if config else Form.KEYWORD


def _in(function: str, name: str) -> str:
    """The name of a parameter as a setting: a count in a function that is named after calibration is one of that."""
    calibrating = any(word in function.lower() for word in _CALIBRATION_WORDS)
    return f"calibration_{name.rpartition('_')[2]}" if calibrating and name in _COUNTS else name


def _usable(name: str, function: str) -> bool:
    """Whether a parameter, argument or local variable of this name can be a setting."""
    if name.lower() not in AMBIGUOUS:
        return True
    return name in _IN_EVALUATION and any(word in function.lower() for word in _EVALUATION_WORDS)
