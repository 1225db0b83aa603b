"""Functions, callbacks and modules: what is called, when, and what a call changes."""

from __future__ import annotations

import ast

from tests_support.evaluation import decided, run, value


def test_functions_reached_through_callbacks_count() -> None:
    """What is handed to unknown code, stored in a table or used as a thread's target may be called."""
    evaluator = run("""
        import threading, some_library
        def a(): pass
        def b(): pass
        def c(x): pass
        def d(): pass
        def never(): pass
        threading.Thread(target=a).start()
        table = {"b": b}
        table[some_library.pick()]()
        list(map(c, some_library.items()))
        some_library.register(d)
    """)
    tree = evaluator.modules["__main__"].source.tree
    entered = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and id(n) in evaluator.trace.entered}
    assert entered == {"a", "b", "c", "d"}


def test_methods_called_on_unknown_objects_count() -> None:
    """A method name called on something unknown reaches every class that has it; state set that way is unknown."""
    evaluator = run("""
        import some_library
        class Cache:
            ready = False
            def fill(self): self.ready = True
            def __enter__(self): return helper()
            @property
            def size(self): return other()
        def helper(): pass
        def other(): pass
        cache = Cache()
        thing = some_library.wrap(cache)
        thing.fill()
        with thing: pass
        print(thing.size)
        if cache.ready: pass
    """)
    tree = evaluator.modules["__main__"].source.tree
    names = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and id(n) in evaluator.trace.entered}
    assert names == {"fill", "__enter__", "size", "helper", "other"}
    assert "cache.ready" not in decided(evaluator)


def test_callbacks_may_run_at_any_time() -> None:
    """What a callback writes is unknown for good, also when it is written again."""
    evaluator = run("""
        import some_library
        class Cell:
            v = 1
            def put(self, x): self.v = x
        cell = Cell()
        some_library.on_event(cell.put)
        cell.v = 1
        some_library.work()
        if cell.v == 1: pass
    """)
    assert "cell.v == 1" not in decided(evaluator)


def test_call_that_writes_what_was_there_is_repeated() -> None:
    """A remembered call that changed nothing still writes when the state is another."""
    evaluator = run("""
        class Cell: pass
        cell = Cell()
        def put(): cell.v = 2
        cell.v = 2
        put()
        cell.v = 1
        put()
        result = cell.v
    """)
    assert value(evaluator, "result") == 2


def test_modules_built_alike_share_an_evaluation_only_where_alike() -> None:
    """Layers of one class that differ in a flag are evaluated apart."""
    evaluator = run("""
        import torch
        from torch import nn
        class Layer(nn.Module):
            def __init__(self, i):
                super().__init__()
                self.w = nn.Linear(2, 2)
                self.last = i == 3
                self.cache = None
            def forward(self, x):
                if self.last:
                    special(x)
                if self.cache is None:
                    self.cache = 1
                return self.w(x)
        def special(x): pass
        layers = [Layer(i) for i in range(4)]
        for layer in layers:
            layer(torch.zeros(2))
        caches = [layer.cache for layer in layers]
    """)
    assert "self.last" not in decided(evaluator)
    assert value(evaluator, "caches") == [1, 1, 1, 1]
    tree = evaluator.modules["__main__"].source.tree
    assert "special" in {
        n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and id(n) in evaluator.trace.entered
    }


def test_registered_functions_count() -> None:
    """Functions handed to a library's registration, and a kernel's grid, are reached."""
    evaluator = run("""
        import torch, triton
        @torch.library.custom_op("a::b", mutates_args=())
        def op(x): return x
        @op.register_fake
        def _(x): return x
        def backward(ctx, g): return g
        op.register_autograd(backward)
        @triton.jit
        def kernel(x): pass
        def launch(x):
            def grid(meta): return (1,)
            kernel[grid](x)
        launch(1)
    """)
    tree = evaluator.modules["__main__"].source.tree
    missed = [n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and id(n) not in evaluator.trace.entered]
    assert missed == []


def test_flag_set_later_reopens_a_remembered_call() -> None:
    """A repeated call is evaluated anew when state that it read has changed."""
    evaluator = run("""
        class Layer:
            late = False
            def forward(self, x):
                if Layer.late:
                    return quantise(x)
                return x
        def quantise(x): return x
        layer = Layer()
        layer.forward(1)
        layer.forward(1)
        Layer.late = True
        layer.forward(1)
    """)
    assert "Layer.late" not in decided(evaluator)


def test_starting_python_again_is_not_followed() -> None:
    """A child process may run the same file under another environment; installers are no such thing."""
    assert not run("import subprocess, sys\nsubprocess.run([sys.executable, __file__])").trace.complete
    install = "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip', 'install', 'x'])"
    assert run(install).trace.complete


def test_sibling_modules_are_followed() -> None:
    """Imports of the submission's own files are evaluated once, also by star."""
    evaluator = run(
        "from config import WIDTH\nfrom helpers import *\nimport config\nw = double(WIDTH) + config.DEPTH",
        config="WIDTH = 4\nDEPTH = 2",
        helpers="def double(x):\n    return 2 * x",
    )
    assert value(evaluator, "w") == 10
    assert not run("from missing_helpers import *").trace.complete


def test_generators_do_not_decide_for_later() -> None:
    """A generator goes on when its consumer asks: what it tests may have changed by then."""
    evaluator = run("""
        import some_library
        class S:
            stop = False
        def produce(s):
            while True:
                if s.stop:
                    return
                yield 1
        state = S()
        for item in produce(state):
            state.stop = some_library.done()
    """)
    assert "s.stop" not in decided(evaluator)


def test_a_kernel_is_evaluated_once_whatever_its_launches_give_it() -> None:
    """The body of `kernel[grid](...)` is entered, none of its conditions is decided by one launch, and fuel lasts."""
    evaluator = run("""
        import triton
        @triton.jit
        def kernel(x, FORWARD):
            if FORWARD:
                y = 1
            else:
                y = 2
        def launch(flag):
            grid = lambda meta: (1,)
            kernel[grid](object(), FORWARD=flag)
        for step in range(400):
            launch(step == 0)
    """)
    assert "FORWARD" not in decided(evaluator)
    assert evaluator.trace.complete
