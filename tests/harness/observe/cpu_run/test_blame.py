"""Whose fault an exception is: what no machine could run is the submission's, all else is not laid to it."""

from __future__ import annotations

import base64
import textwrap
import zlib

import pytest

from harness.model.cpu_run import Fault
from harness.observe.cpu_run.blame import blamed
from harness.observe.cpu_run.report import Raised, Stack


def fault(script: str, line: int, exception: str, message: str) -> Fault:
    """With whom an exception lies that came up at a line of a script."""
    frame = Stack(path="train_gpt.py", line=line, function="f", whose="submission")
    raised = Raised(exception=exception, message=message, frames=(frame,))
    failure = blamed(raised, {"train_gpt.py": textwrap.dedent(script).encode()})
    assert failure.at is not None
    assert failure.at.line == line
    assert failure.remedy
    return failure.fault


AMBIGUOUS = "Boolean value of Tensor with more than one value is ambiguous"
UNBOUND = [
    # bound only on a way that returns
    ("def f(a):\n if a:\n  y = 1\n  return y\n return y\n", 5, Fault.SUBMISSION),
    ("def f(a):\n if a:\n  y = 1\n return y\n", 4, Fault.HARNESS),
    ("def f(a):\n if a:\n  y = 1\n else:\n  raise ValueError\n return y\n", 6, Fault.HARNESS),
    ("def f(a):\n for i in a:\n  y = i\n return y\n", 4, Fault.HARNESS),
    ("def f(a):\n for i in a:\n  if i:\n   return y\n  y = i\n", 4, Fault.HARNESS),
    ("def f(a):\n y += 1\n return y\n", 2, Fault.SUBMISSION),
    ("def f(a):\n try:\n  y = 1\n except ValueError:\n  pass\n return y\n", 6, Fault.HARNESS),
    ("def f(a):\n with a as y:\n  pass\n return y\n", 4, Fault.HARNESS),
    ("def f(a):\n if (y := a) and y:\n  return y\n", 2, Fault.HARNESS),
    ("def f(a):\n while True:\n  if a:\n   break\n  y = 1\n return y\n", 6, Fault.HARNESS),
    ("def f(a):\n y = 1\n del y\n return y\n", 4, Fault.HARNESS),
    ("def f(a):\n def g():\n  return y\n  y = 1\n y = 2\n g()\n", 3, Fault.SUBMISSION),
    ("def f(a):\n match a:\n  case [y]:\n   pass\n return y\n", 5, Fault.HARNESS),
]


@pytest.mark.parametrize(("script", "line", "expected"), UNBOUND)
def test_unbound_local(script: str, line: int, expected: Fault) -> None:
    """A local name is the submission's only where no way to the line binds it: our sizes may have chosen the way."""
    words = "cannot access local variable 'y' where it is not associated with a value"
    assert fault(script, line, "UnboundLocalError", words) is expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("def f():\n return nowhere\n", Fault.SUBMISSION),
        ("def f():\n return nowhere\ndef g():\n global nowhere\n", Fault.HARNESS),
        ("def f():\n return nowhere\nexec('nowhere = 1')\n", Fault.HARNESS),
        ("def f():\n return nowhere\nglobals()['nowhere'] = 1\n", Fault.HARNESS),
        ("def f():\n return nowhere\ng = vars()\ng['nowhere'] = 1\n", Fault.HARNESS),
        ("def f():\n return nowhere\nprint(sorted(vars(f).items()), 'f' in globals())\n", Fault.SUBMISSION),
        ("from a import *\ndef f():\n return nowhere\n", Fault.HARNESS),
        ("def f():\n return nowhere\nif f:\n import b as nowhere\n", Fault.HARNESS),
        ("def f():\n return nowhere\ndef g():\n nowhere = 1\n", Fault.SUBMISSION),
        ("def f():\n def g(): return nowhere\n nowhere = 1\n", Fault.HARNESS),
        ("class A:\n x = nowhere\nnowhere = 1\n", Fault.SUBMISSION),
        ("def f(\n x: nowhere.b):\n pass\nfrom a import nowhere\nexec('f')\n", Fault.SUBMISSION),
        ("if f():\n x = nowhere\nelse: nowhere = 1\n", Fault.HARNESS),
        ("while True:\n x = nowhere\n nowhere = 1\n", Fault.HARNESS),
        ("exec('nowhere = 1')\nx = nowhere\nnowhere = 1\n", Fault.HARNESS),
        ("def f():\n return nowhere\nnowhere = 1\n", Fault.HARNESS),
    ],
)
def test_undefined_name(script: str, expected: Fault) -> None:
    """A name is the submission's fault only where nothing in its program can bind it."""
    assert fault(script, 2, "NameError", "name 'nowhere' is not defined") is expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("class Args:\n a = 1\nprint(Args().b)\n", Fault.SUBMISSION),
        ("import torch\nclass Args(torch.nn.Module):\n a = 1\nprint(Args().b)\n", Fault.SUBMISSION),
        ("import os\nk = os.environ.get('KEPT', 'a,b')\nclass Args:\n a = 1\nprint(Args().b)\n", Fault.SUBMISSION),
        ("k = ('a', 'b')\nclass Args:\n a = 1\nprint(Args().b)\n", Fault.HARNESS),
        ("class Args:\n a = 1\nif 0:\n Args.b = 1\nprint(Args().b)\n", Fault.HARNESS),
        ("class Args:\n b: int\nprint(Args().b)\n", Fault.HARNESS),
        ("class Args:\n a = 1\nsetattr(Args, 'b', 1)\nprint(Args().b)\n", Fault.HARNESS),
        ("from x import Base\nclass Args(Base):\n a = 1\nprint(Args().b)\n", Fault.HARNESS),
        ("from x import Args\nprint(Args().b)\n", Fault.HARNESS),
    ],
)
def test_undefined_attribute(script: str, expected: Fault) -> None:
    """An attribute is the submission's fault only where the class is its own and nothing can set the attribute."""
    line = script.count("\n")
    assert fault(script, line, "AttributeError", "'Args' object has no attribute 'b'") is expected


@pytest.mark.parametrize(
    ("namespace", "name", "expected"),
    [
        ("globals()", "seen", Fault.HARNESS),
        ("globals()", "unseen", Fault.SUBMISSION),
        ("{'unseen': 1}", "unseen", Fault.HARNESS),
        ("dict(unseen=1)", "unseen", Fault.HARNESS),
    ],
)
def test_wrapped_text(namespace: str, name: str, expected: Fault) -> None:
    """A name that the wrapper around a text binds, or puts into the namespace that it executes in, is bound."""
    text = "import torch\ndef f():\n return seen, unseen\n" + 40 * "size = 1\n" + "f()\n"
    packed = base64.b85encode(zlib.compress(text.encode())).decode()
    script = f"import zlib, base64\nseen = 1\nexec(zlib.decompress(base64.b85decode({packed!r})), {namespace})\n"
    frame = Stack(path="train_gpt.py", layer=1, line=3, function="f", whose="submission")
    raised = Raised(exception="NameError", message=f"name '{name}' is not defined", frames=(frame,))
    assert blamed(raised, {"train_gpt.py": script.encode()}).fault is expected


def test_file_that_is_refused() -> None:
    """What torch.load refuses of a program's own file it refuses everywhere, unless something of ours is in it."""
    words = "Weights only load failed. ... Unsupported global: GLOBAL {} was not an allowed global by default."
    assert fault("f()\n", 1, "UnpicklingError", words.format("train_gpt.Config")) is Fault.SUBMISSION
    assert fault("f()\n", 1, "UnpicklingError", words.format("harness.observe.Thing")) is Fault.HARNESS


def test_type_of_an_index() -> None:
    """Integers that torch takes as an index on no device were chosen by the submission: we change no integer type."""
    words = (
        "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; "
        "but got CPU{}Type instead (while checking arguments for embedding)"
    )
    assert fault("f()\n", 1, "RuntimeError", words.format("UInt16")) is Fault.SUBMISSION
    assert fault("f()\n", 1, "RuntimeError", words.format("Float")) is Fault.HARNESS


@pytest.mark.parametrize(
    ("script", "exception", "message", "expected"),
    [
        ("seed = input('Seed? ') or 42\n", "EOFError", "EOF when reading a line", Fault.SUBMISSION),
        ("seed = load(stream)\n", "EOFError", "Ran out of input", Fault.HARNESS),
        ("if p not in scalars: pass\n", "RuntimeError", AMBIGUOUS, Fault.SUBMISSION),
        ("if loss > best: pass\n", "RuntimeError", AMBIGUOUS, Fault.HARNESS),
    ],
)
def test_lines_that_fail_with_any_values(script: str, exception: str, message: str, expected: Fault) -> None:
    """A question at the keyboard, and a search for a tensor by its value, fail at every size."""
    assert fault(script, 1, exception, message) is expected


CLASS = "class A:\n def __init__(self, a, *, b=1):\n  pass\n"


@pytest.mark.parametrize(
    ("script", "message", "expected"),
    [
        (CLASS + "A(\n 1,\n c=2,\n)\n", "A.__init__() got an unexpected keyword argument 'c'", Fault.SUBMISSION),
        (CLASS + "A(*given)\n", "A.__init__() missing 1 required positional argument: 'a'", Fault.HARNESS),
        (CLASS + "A(**given)\n", "A.__init__() got an unexpected keyword argument 'c'", Fault.HARNESS),
        ("from x import A\n\n\nA(c=2)\n", "A.__init__() got an unexpected keyword argument 'c'", Fault.HARNESS),
        ("def f(a):\n pass\n\nf()\n", "f() missing 1 required positional argument: 'a'", Fault.SUBMISSION),
        ("@wrapped\ndef f(a):\n pass\nf()\n", "f() missing 1 required positional argument: 'a'", Fault.HARNESS),
        ("def f(a):\n pass\n\nf(1)(2)\n", "'NoneType' object is not callable", Fault.HARNESS),
    ],
)
def test_calls(script: str, message: str, expected: Fault) -> None:
    """A call is the submission's where it does not fit the program's own function and no value chose its arguments."""
    assert fault(script, 4, "TypeError", message) is expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Could not find /train_gpt_mlx.py", Fault.SUBMISSION),
        ("[Errno 2] No such file or directory: 'train_gpt.py'", Fault.HARNESS),  # it is in the folder
        ("No files found for pattern: ./data/fineweb_val_*.bin", Fault.HARNESS),
        ("[Errno 2] No such file or directory: '/records/track_x/2026-04-09_Other/train_gpt.py'", Fault.SUBMISSION),
        ("[Errno 2] No such file or directory: '/usr/lib/python3/train_gpt.py'", Fault.HARNESS),
        ("[Errno 2] No such file or directory: '/workspace/parameter-golf/train_gpt.py'", Fault.HARNESS),
    ],
)
def test_programs_that_are_missing(message: str, expected: Fault) -> None:
    """A Python file that the folder lacks is the submission's; data is ours to make."""
    assert fault("f()\n", 1, "FileNotFoundError", message) is expected


@pytest.mark.parametrize(
    "script",
    ["def f():\n return y\n y = 1\nf()\n", "def f():\n return nowhere\nf()\n", "class A: pass\nA().a\n",
     "def f(a): pass\nf()\n", "class A:\n def __init__(self): pass\nA(b=1)\n"],
)  # fmt: skip
def test_words_of_this_python(script: str) -> None:
    """The words that are looked for are those that Python says."""
    with pytest.raises(Exception, match=r".") as caught:
        exec(script, {})
    line = caught.traceback[-1].lineno + 1
    assert fault(script, line, type(caught.value).__name__, str(caught.value)) is Fault.SUBMISSION


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("class Net:\n def scores(self): pass\nwrapped.scores()\n", Fault.SUBMISSION),
        ("wrapped = DDP(net)\nwrapped.scores = net.scores\nwrapped.scores()\n", Fault.HARNESS),
    ],
)
def test_wrapped_module(script: str, expected: Fault) -> None:
    """The wrapper that torch puts around a module has none of the module's own methods, here and on any machine."""
    words = "'DistributedDataParallel' object has no attribute 'scores'"
    assert fault(script, 3, "AttributeError", words) is expected
