"""Which names a submission asks its data by: settings in force, and texts in its program.

Paths are as the submission writes them, relative to its working directory unless absolute. A path that leaves the
working directory (absolute, `~`, `..`, a drive letter) and comes from an environment variable is moved below `./data`
by setting that variable; what the program derives from it moves along.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass

from harness.model.launch import LaunchFacts, Setting
from harness.observe.reading.source.index import called, name_of

DATA = "./data"
"""Where paths are moved to, and where the competition's scripts look by default."""
SHARDS = f"{DATA}/datasets/shards"
"""Where a data set is moved to whose path has no name of its own (`/path/to/data`): it may be a root as well."""
MAX_NAMES = 300

_DATA_SETTING = re.compile(
    r"data(?:_?(?:path|dir|root|set|sets|set_dir|sets_dir|base|folder|files?))?$|dataset|tokenizer|_tok$|(?:train|val)\w*_(?:files?|glob|path|dir|pattern|bin)"
    r"|shard_(?:dir|path)|docs|caseops_data|sidecar|bytes_files|sp_model|spm",
    re.IGNORECASE,
)
OUTPUT_SETTING = re.compile(r"artifact|output|out_dir|log_|save|ckpt|checkpoint|cache|build|run_", re.IGNORECASE)
"""Names of settings that say where a run writes."""
_DATA_TEXT = re.compile(r"fineweb|tokenizers?/|datasets?/|\.(?:model|vocab)$|docs_selected")
_FOLDER = re.compile(r"[\w./~-]*/[\w-]{4,}/?")
_SHARDS = re.compile(r"(?:train|val)[\w*?\[\]-]*\.bin$")
_OUTSIDE = re.compile(r"/|~|\.\.(?:/|$)|[A-Za-z]:[\\/]")
_USUAL = re.compile(r"\./data/?$|\./data/datasets/fineweb10B_sp\d+(/|$)|\./data/tokenizers/fineweb_\d+_bpe\.model$")
_TREES = ("datasets", "tokenizers")


@dataclass(frozen=True)
class Names:
    """What is asked for: `in_force` are paths that this launch reads, `mentioned` all others that the program has."""

    in_force: tuple[str, ...]
    mentioned: tuple[str, ...]
    roots: tuple[str, ...]
    """Folders below which `datasets/` and `tokenizers/` are looked for."""
    environment: tuple[tuple[str, str], ...]
    """Variables to set so that paths are below the working directory."""
    outside: tuple[str, ...]
    """Names that leave the working directory and that no variable moves."""


def names_of(launch: LaunchFacts | None, program: ast.AST | None) -> Names:
    """Names in the settings of a launch and in the constants of its program."""
    settings = [setting for setting in launch.settings if _is_data(setting)] if launch is not None else []
    texts = tuple(_constants(program)) if program is not None else ()
    joined = any(_SHARDS.search(text) and "/" not in text for text in texts)
    moved = {
        value: SHARDS if joined and _named_like_a_file(setting) else _moved(value, root=_is_root(setting, value))
        for setting in settings
        if setting.env is not None and _OUTSIDE.match(value := str(setting.value))
    }
    environment: dict[str, str] = {}
    for setting in settings:
        path = moved.get(str(setting.value))
        # One variable may feed several settings: its own text is the folder that the others lie in.
        if setting.env and path is not None and environment.get(setting.env, path).startswith(path):
            environment[setting.env] = path
    set_by_itself = _set_by_itself(program) if program is not None else frozenset[str]()
    for setting in settings:
        if setting.env in set_by_itself and setting.env not in environment:
            environment[setting.env] = str(setting.value)  # it climbs from its own file to who knows where
    in_force = {_along(str(setting.value), moved): None for setting in settings}
    roots = {DATA: None} | {
        _along(str(setting.value), moved): None for setting in settings if _is_root(setting, str(setting.value))
    }
    if SHARDS in in_force:
        roots[SHARDS] = None
    mentioned = {text: None for text in texts if text not in in_force and text not in moved}
    return Names(
        in_force=tuple(name for name in in_force if name not in roots or name == SHARDS)[:MAX_NAMES],
        mentioned=tuple(mentioned)[:MAX_NAMES],
        roots=tuple(roots),
        environment=tuple(environment.items()),
        outside=tuple(name for name in {**in_force, **roots, **mentioned} if _OUTSIDE.match(name)),
    )


def _set_by_itself(program: ast.AST) -> frozenset[str]:
    """Variables that a program gives a value where none is set: `os.environ.setdefault(name, text)`, in a loop too."""
    calls = [node for node in ast.walk(program) if isinstance(node, ast.Call) and called(node) == "setdefault"]
    own = [call for call in calls if isinstance(call.func, ast.Attribute) and name_of(call.func.value) == "environ"]
    first = [call.args[0] for call in own if call.args]
    if any(isinstance(one, ast.Name) for one in first):  # a loop over a dictionary
        first += [key for node in ast.walk(program) if isinstance(node, ast.Dict) for key in node.keys if key]
    return frozenset(one.value for one in first if isinstance(one, ast.Constant) and isinstance(one.value, str))


def argument_moved(option: str, text: str) -> str:
    """What an option of a command line is given: a path outside, where its name is one for data, is moved below `DATA`.

    Only the usual names are moved: no others are laid out there.
    """
    name = option.lstrip("-").replace("-", "_")
    if not _DATA_SETTING.search(name) or OUTPUT_SETTING.search(name) or not _OUTSIDE.match(text):
        return text
    moved = _moved(text, root=re.search(r"data_?(?:dir|root|base)$", name, re.IGNORECASE) is not None)
    return moved if _USUAL.match(moved) else text


def below(path: str) -> str:
    """`path` as it is placed: normalised, without a leading `./`."""
    return posixpath.normpath(path)


def _is_data(setting: Setting) -> bool:
    value = setting.value
    if not isinstance(value, str) or not value or len(value) > 250 or "\n" in value:
        return False
    names = (setting.name, setting.env or setting.name)
    if any(OUTPUT_SETTING.search(name) for name in names):
        return False
    return any(_DATA_SETTING.search(name) for name in names) and ("/" in value or "\\" in value or "fineweb" in value)


def _is_root(setting: Setting, value: str) -> bool:
    """A folder of folders: `DATA_DIR` and the like, unless it is named for one data set."""
    named = re.search(r"data_?(?:dir|root|base)$", setting.name, re.IGNORECASE) is not None
    return named and re.search(r"fineweb|\*|\.\w+$", posixpath.basename(value.rstrip("/"))) is None


def _moved(path: str, *, root: bool) -> str:
    """`path` below `DATA`: from its `datasets` or `tokenizers` on, else its last part; a `root` holds folders."""
    parts = [part for part in re.split(r"[\\/]+", path) if part]
    at = next((number for number, part in enumerate(parts) if part in _TREES), len(parts) - 1)
    kept = parts[at:] if parts and parts[at] not in {"data", "..", "~"} else []
    if not kept and not root:
        return SHARDS
    return "/".join([DATA, *kept]) + ("/" if path.endswith("/") else "")


def _named_like_a_file(setting: Setting) -> bool:
    """Whether a path ends like a shard, and is called a folder: where names of shards are put behind it, it is one."""
    return str(setting.value).endswith(".bin") and re.search(r"path|dir|root", setting.name, re.IGNORECASE) is not None


def _along(path: str, moved: dict[str, str]) -> str:
    """`path` with the longest moved beginning replaced."""
    if path in moved:
        return moved[path]
    for old in sorted(moved, key=len, reverse=True):
        if path.startswith(old.rstrip("/") + "/"):
            return moved[old].rstrip("/") + path[len(old.rstrip("/")) :]
    return path


def _constants(program: ast.AST) -> Iterable[str]:
    """Texts of the program that can be names of data files or folders."""
    inside_formats = {id(part) for node in ast.walk(program) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(program):
        if isinstance(node, ast.JoinedStr):
            yield from _splits(node)
        yield from _folders(node)
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in inside_formats:
            continue
        text = node.value
        plain = 3 < len(text) < 200 and re.search(r"[\s{}:<>]", text) is None and not text.startswith("-")
        if plain and (_DATA_TEXT.search(text) or _SHARDS.search(text)):
            yield text


def _folders(node: ast.AST) -> Iterable[str]:
    """The path that a constant or an option with a name for data has: `DATA_DIR = "/workspace/data_v4096"`."""
    if isinstance(node, ast.Assign):
        named: list[str | None] = [name_of(target) for target in node.targets]
        value: ast.expr | None = node.value
    elif isinstance(node, ast.Call) and called(node) == "add_argument":
        named = [str(one.value).replace("-", "_") for one in node.args if isinstance(one, ast.Constant)]
        value = next((keyword.value for keyword in node.keywords if keyword.arg == "default"), None)
    else:
        return
    plain = isinstance(value, ast.Constant) and isinstance(value.value, str) and _FOLDER.fullmatch(value.value)
    if plain and any(_DATA_SETTING.search(name) and not OUTPUT_SETTING.search(name) for name in named if name):
        yield plain[0]


def _splits(text: ast.JoinedStr) -> Iterable[str]:
    """Both names of a shard that a format like `f"fineweb_{split}_sp1024.bin"` can mean."""
    pieces = [part.value if isinstance(part, ast.Constant) else None for part in text.values]
    if pieces.count(None) == 1 and isinstance(pieces[-1], str) and pieces[-1].endswith(".bin"):
        for split in ("train", "val"):
            name = "".join(split if piece is None else str(piece) for piece in pieces)
            if "fineweb" in name and re.search(r"\s", name) is None:
                yield name
