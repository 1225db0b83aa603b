"""Imports that get a stand-in, and imports that fail."""

import importlib
import importlib.util
import sys
from types import ModuleType

import pytest
import torch

from harness.observe.cpu_run.guest import fidelity
from harness.observe.cpu_run.guest.fidelity import NotSupported
from harness.observe.cpu_run.guest.stand_ins import install
from harness.observe.cpu_run.guest.stand_ins.finder import StandInFinder


@pytest.fixture(autouse=True)
def _stand_ins():
    """Imports find stand-ins during a test and not after it."""
    before, finders = set(sys.modules), list(sys.meta_path)
    install()
    yield
    sys.meta_path[:] = finders
    for name in set(sys.modules) - before:
        if isinstance(getattr(sys.modules[name].__spec__, "loader", None), StandInFinder):
            del sys.modules[name]


def test_installing_twice_changes_nothing():
    """The finders are there once, however often they are installed."""
    finders = list(sys.meta_path)
    install()
    assert sys.meta_path == finders


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("from flash_attn_interface import flash_attn_func, flash_attn_varlen_func", "flash_attn_func"),
        ("from flash_attn import flash_attn_func", "flash_attn_func"),
        ("from flash_attn.flash_attn_interface import flash_attn_func as fa", "fa"),
        ("from flash_attn.bert_padding import pad_input, unpad_input", "unpad_input"),
        ("from flash_attn_3 import flash_attn_func", "flash_attn_func"),
        ("import triton\nimport triton.language as tl\nx = triton.cdiv, tl.load, tl.constexpr", "x"),
        ("from triton.tools.tensor_descriptor import TensorDescriptor", "TensorDescriptor"),
        ("from triton.language.extra import libdevice", "libdevice"),
        ("from kernels import get_kernel", "get_kernel"),
        ("from torch.utils.tensorboard import SummaryWriter", "SummaryWriter"),
        ("from huggingface_hub.utils import EntryNotFoundError", "EntryNotFoundError"),
        ("import wandb, mlflow", "wandb"),
        ("import matplotlib.pyplot as plt", "plt"),
        ("from tqdm.auto import tqdm", "tqdm"),
    ],
)
def test_forms_of_import(statement, name):
    """Every form in which submissions import these packages works."""
    names = {}
    exec(statement, names)
    assert names[name] is not None


def test_a_package_that_nobody_stands_in_for_stays_missing():
    """The error is Python's own, with the name."""
    with pytest.raises(ModuleNotFoundError, match="mamba_ssm") as failure:
        importlib.import_module("mamba_ssm")
    assert failure.value.name == "mamba_ssm"
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("flash_attn.layers.unheard_of")


def test_real_packages_win():
    """A package that is installed is not replaced, unless it needs a GPU or the network."""
    assert isinstance(importlib.import_module("numpy"), ModuleType)
    finder = StandInFinder({"numpy": dict, "surely_missing": lambda: {"x": 1}}, yields=True)
    finder.install()
    sys.modules.pop("surely_missing", None)
    assert importlib.util.find_spec("numpy").loader is not finder
    assert importlib.import_module("surely_missing").x == 1


def test_a_folder_is_no_package(tmp_path, monkeypatch):
    """A folder that only has the name of a package, like the one wandb writes its runs to, does not hide it."""
    (tmp_path / "surely_missing").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    StandInFinder({"surely_missing": lambda: {"x": 1}}, yields=True).install()
    sys.modules.pop("surely_missing", None)
    assert importlib.import_module("surely_missing").x == 1


def test_nothing_is_made_before_it_is_imported():
    """The content of a stand-in is asked for at its first import, once."""
    calls = []

    def content():
        calls.append(1)
        return {"x": 2}

    finder = StandInFinder({"made_late": content})
    finder.install()
    assert importlib.util.find_spec("made_late") is not None
    assert calls == []
    assert importlib.import_module("made_late").x == importlib.import_module("made_late").x == 2
    assert calls == [1]


def test_unknown_names_are_refused_when_used():
    """A name that the stand-in lacks can be imported, as the real package may have it; using it is refused by name."""
    triton = importlib.import_module("triton")
    unknown = importlib.import_module("triton.language").make_block_ptr
    with pytest.raises(NotSupported, match=r"triton\.language\.make_block_ptr"):
        unknown(1)
    with pytest.raises(NotSupported, match=r"triton\.testing\.do_bench"):
        triton.testing.do_bench(None)
    with pytest.raises(AttributeError):
        _ = triton.__surely_not__


def test_torch_does_not_believe_in_the_stand_in():
    """Torch goes on to know that there is no Triton to compile for."""
    importlib.import_module("triton")
    from torch.utils import _triton

    assert not _triton.has_triton_package()


def test_what_is_used_is_recorded(monkeypatch):
    """Calls and imports say which stand-in they used; installing alone does not."""
    seen = set()
    monkeypatch.setattr(fidelity, "_used", seen)
    install()
    assert seen == set()
    flash = importlib.import_module("flash_attn_interface")
    assert seen == set()
    flash.flash_attn_func(*[torch.zeros(1, 2, 1, 4)] * 3)
    importlib.import_module("wandb")
    assert seen == {"flash-attn", "wandb"}
    assert fidelity.known("flash-attn").exact


@pytest.mark.parametrize("name", ["kernels-community/flash-attn3", "somebody/flash-attention-3"])
def test_kernels_from_the_hub(name: str):
    """FlashAttention is known by its names on the hub; other kernels are refused."""
    get_kernel = importlib.import_module("kernels").get_kernel
    module = get_kernel(name, version=1)
    q = torch.randn(1, 4, 2, 8)
    want = torch.nn.functional.scaled_dot_product_attention(*[q.transpose(1, 2)] * 3, is_causal=True).transpose(1, 2)
    torch.testing.assert_close(module.flash_attn_func(q, q, q, causal=True), want)
    torch.testing.assert_close(module.flash_attn_interface.flash_attn_func(q, q, q, causal=True), want)
    with pytest.raises(NotSupported, match="activation"):
        get_kernel("kernels-community/activation")


def test_observers_take_everything():
    """A logger's run, its config and its tables can be used like the real ones, and compute nothing."""
    wandb = importlib.import_module("wandb")
    with wandb.init(project="p", config={"a": 1}) as run:
        run.log({"loss": 1.0}, step=3)
        run.config.update({"b": 2})
        run.summary["x"] = 5
        run.name = "other"
    wandb.watch(torch.nn.Linear(1, 1), log="all")
    assert f"{run.id}|{wandb.run.duration:.2f}" == "|0.00"
    assert list(wandb.Api().runs("p")) == []
    psutil = importlib.import_module("psutil")
    assert psutil.virtual_memory().used / 1e9 < 1
    assert not psutil.cpu_percent() > 90

    @importlib.import_module("memory_profiler").profile
    def decorated():
        return 7

    assert decorated() == 7
    writer = importlib.import_module("torch.utils.tensorboard").SummaryWriter("logs")
    writer.add_scalar("x", 1.0, 2)


def test_progress_bars_pass_things_on(capsys):
    """What is iterated over comes through, and lines that are written are printed."""
    tqdm = importlib.import_module("tqdm")
    bar = tqdm.tqdm([3, 4], desc="x")
    assert list(bar) == [3, 4]
    assert list(tqdm.trange(2)) == [0, 1]
    bar.set_postfix(loss=1.0)
    with tqdm.tqdm(total=5) as counted:
        counted.update(2)
    assert counted.n == 2
    tqdm.tqdm.write("a line")
    assert capsys.readouterr().out == "a line\n"


def test_downloads_fail_as_without_a_network():
    """The errors are those that scripts expect and catch."""
    hub = importlib.import_module("huggingface_hub")
    errors = importlib.import_module("huggingface_hub.errors")
    with pytest.raises(errors.LocalEntryNotFoundError):
        hub.hf_hub_download(repo_id="a/b", filename="c")
    with pytest.raises(FileNotFoundError):
        hub.snapshot_download("a/b")
    with pytest.raises(OSError, match="connection"):
        hub.HfApi().upload_folder(folder_path=".")
    with pytest.raises(ConnectionError):
        importlib.import_module("datasets").load_dataset("x")
