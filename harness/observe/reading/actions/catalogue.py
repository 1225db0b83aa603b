"""Names of libraries and programs whose use is an action, and what kind of action it is."""

from __future__ import annotations

import re

from harness.model.actions import ActionKind

CALLS: dict[str, ActionKind] = {
    "urllib.request.urlopen": ActionKind.DOWNLOAD,
    "urllib.request.urlretrieve": ActionKind.DOWNLOAD,
    "requests.get": ActionKind.DOWNLOAD,
    "requests.post": ActionKind.DOWNLOAD,
    "requests.request": ActionKind.DOWNLOAD,
    "requests.Session": ActionKind.DOWNLOAD,
    "httpx.get": ActionKind.DOWNLOAD,
    "httpx.stream": ActionKind.DOWNLOAD,
    "httpx.Client": ActionKind.DOWNLOAD,
    "aiohttp.ClientSession": ActionKind.DOWNLOAD,
    "http.client.HTTPSConnection": ActionKind.DOWNLOAD,
    "http.client.HTTPConnection": ActionKind.DOWNLOAD,
    "huggingface_hub.hf_hub_download": ActionKind.DOWNLOAD,
    "huggingface_hub.snapshot_download": ActionKind.DOWNLOAD,
    "datasets.load_dataset": ActionKind.DOWNLOAD,
    "gdown.download": ActionKind.DOWNLOAD,
    "boto3.client": ActionKind.DOWNLOAD,
    "torch.hub.load": ActionKind.DOWNLOAD,
    "torch.hub.load_state_dict_from_url": ActionKind.DOWNLOAD,
    "torch.hub.download_url_to_file": ActionKind.DOWNLOAD,
    "kernels.get_kernel": ActionKind.DOWNLOAD,
    "socket.create_connection": ActionKind.DOWNLOAD,
    "wandb.init": ActionKind.REPORT,
    "pip.main": ActionKind.INSTALL,
    "torch.utils.cpp_extension.load": ActionKind.COMPILE,
    "torch.utils.cpp_extension.load_inline": ActionKind.COMPILE,
    "ctypes.CDLL": ActionKind.LIBRARY,
    "ctypes.PyDLL": ActionKind.LIBRARY,
    "ctypes.cdll.LoadLibrary": ActionKind.LIBRARY,
    "ctypes.util.find_library": ActionKind.LIBRARY,
    "numpy.ctypeslib.load_library": ActionKind.LIBRARY,
    "os._exit": ActionKind.EXIT,
    "os.abort": ActionKind.EXIT,
    "os.remove": ActionKind.DELETE,
    "os.unlink": ActionKind.DELETE,
    "os.truncate": ActionKind.DELETE,
    "shutil.rmtree": ActionKind.DELETE,
    "os.kill": ActionKind.KILL,
    "os.killpg": ActionKind.KILL,
    "sys.gettrace": ActionKind.TRACE,
    "sys.getprofile": ActionKind.TRACE,
    "sys.settrace": ActionKind.TRACE,
    "sys.setprofile": ActionKind.TRACE,
}
"""Calls that are actions by themselves."""

STARTERS = frozenset(
    {
        "os.system", "os.popen", "subprocess.run", "subprocess.call", "subprocess.check_call", "os.execvp", "os.execv",
        "subprocess.check_output", "subprocess.Popen", "subprocess.getoutput", "subprocess.getstatusoutput",
        "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell",
    }
)  # fmt: skip
"""Calls that start a program; which one, their arguments tell."""

EXECUTORS = frozenset({"exec", "eval", "compile", "marshal.loads"})
"""Calls that make code out of data."""

PROGRAMS: tuple[tuple[re.Pattern[str], ActionKind], ...] = (
    (re.compile(r"cached_challenge_fineweb"), ActionKind.DATA_SCRIPT),
    (re.compile(r"\bpip3?\b.{0,40}\binstall\b|\buv (?:pip|add|sync)\b"), ActionKind.INSTALL),
    (re.compile(r"\b(?:apt|apt-get|conda|mamba|yum|apk|brew|npm)\b.{0,40}\binstall\b"), ActionKind.INSTALL),
    (
        re.compile(
            r"\b(?:wget|curl|gsutil|rclone|scp|huggingface-cli|hf (?:download|upload))\b|\bgit (?:clone|pull|fetch)\b"
        ),
        ActionKind.DOWNLOAD,
    ),
    (
        re.compile(r"(?:^|[\s/])(?:gcc|g\+\+|cc|c\+\+|clang|clang\+\+|nvcc|rustc|cargo|make|cmake)\b"),
        ActionKind.COMPILE,
    ),
    (re.compile(r"(?:^|[\s/])(?:pkill|killall|kill)\b"), ActionKind.KILL),
    (re.compile(r"(?:^|[\s/;])rm -\w"), ActionKind.DELETE),
)
"""What the words of a started command make of it, first match first."""

REPLACED = re.compile(
    r"(?:time\.(?:time|time_ns|perf_counter|perf_counter_ns|monotonic|monotonic_ns|process_time|sleep)"
    r"|math\.(?:log|log2|exp)|builtins\.\w+|sys\.(?:exit|stdout|stderr|excepthook)"
    r"|os\.(?:_exit|remove|stat|path\.\w+|environ)|numpy\.(?:log|log2|exp|mean|sum|fromfile|memmap|load)"
    r"|torch\.(?:log|log2|exp|sum|mean|load|save|compile|no_grad|inference_mode)|torch\.nn\.functional\.\w+"
    r"|torch\.(?:Tensor|nn\.Module|nn\.\w+|cuda|distributed|optim\.\w+)\.\w+)$"
)
"""Names of libraries that decide time, scores and files; a program that assigns to them changes what they mean."""

WORDS = frozenset(name.rpartition(".")[2] for name in (*CALLS, *STARTERS, *EXECUTORS)) | {
    "from_pretrained",
    "import_module",
    "__import__",
    "setattr",
}
"""Last parts of the names of functions that may be one of these."""
