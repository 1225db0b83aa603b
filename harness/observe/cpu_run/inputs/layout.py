"""A tree of files in which every name that a submission may ask for resolves.

A placed file is a path in the guest and a file in the cache: the same content is shared by all its names, so a layout
is cheap and can be made of links. What this launch reads has the vocabulary in force; what the program only mentions
has the one that its name says. Files that the submission ships are never covered.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.model.base import Frozen
from harness.model.inputs import InputFacts, InputSpec, TokenizerKind
from harness.model.launch import LaunchFacts
from harness.observe.cpu_run.inputs import made as made_files
from harness.observe.cpu_run.inputs.made import Made, make_inputs, train_shard
from harness.observe.cpu_run.inputs.names import DATA, Names, below, names_of
from harness.observe.cpu_run.inputs.tokenizers import VocabularyError, own_tokenizer

CASEOPS_SETS = (
    "datasets/fineweb10B_sp{size}_lossless_caps_caseops_v1_reserved",
    "datasets/fineweb10B_sp{size}_caseops/datasets/datasets/fineweb10B_sp{size}_lossless_caps_caseops_v1_reserved",
)
CASEOPS_MODELS = (
    "tokenizers/fineweb_{size}_bpe_lossless_caps_caseops_v1_reserved.model",
    "datasets/fineweb10B_sp{size}_caseops/datasets/tokenizers/fineweb_{size}_bpe_lossless_caps_caseops_v1_reserved.model",
)
"""Below a root: where the scripts with case operators look."""
_CASEOPS = re.compile(r"caseops|lossless_caps", re.IGNORECASE)
_BYTES = re.compile(r"byte", re.IGNORECASE)
_TOKENIZER = re.compile(r"token|vocab|bpe", re.IGNORECASE)
_SIZE = re.compile(r"(?:sp|fineweb_|bpe_?|vocab_?)(\d{3,5})(?!\d)", re.IGNORECASE)
_SUFFIX = re.compile(r"\.(?=\w*[A-Za-z])\w{1,5}$")
"""Of a file. A number behind a point is a version: `fineweb_beta_1.0` is a folder."""
_VARIANTS = 4
"""Most vocabularies made for one submission: the one in force, and others that its program mentions."""
_DEFAULT_SIZE = 1024


class Placed(Frozen):
    """One name in the guest."""

    path: str
    """Relative to the working directory (it may begin with `..`) or absolute."""
    source: str
    """The file in the cache: folder and name."""
    sha256: str


class Layout(Frozen):
    """Everything that is placed, the variables that make the submission look there, and what was made for it."""

    files: tuple[Placed, ...]
    environment: tuple[tuple[str, str], ...] = ()
    made: tuple[InputFacts, ...] = ()
    """The vocabulary in force first."""
    folder: str
    """Folder in the cache that has the validation stream in force."""
    outside: tuple[str, ...] = ()
    """Names that leave the working directory although every variable is set; their files are listed as they are."""
    notes: tuple[str, ...] = ()

    @property
    def streams(self) -> tuple[str, ...]:
        """Folders in the cache whose validation streams have a name in the layout, the one in force first."""
        named = (file.source.rpartition("/") for file in self.files)
        return tuple(dict.fromkeys((self.folder, *(folder for folder, _, name in named if name == made_files.VAL))))

    def with_validation(self, probe: Made) -> Layout:
        """The same names with the validation shard and sidecar of `probe` where those in force are."""
        digests = {file.name: file.sha256 for file in probe.facts.files}
        ours = {f"{self.folder}/{name}": name for name in (made_files.VAL, made_files.VAL_BYTES)}
        files = tuple(
            Placed(path=file.path, source=f"{probe.folder.name}/{ours[file.source]}", sha256=digests[ours[file.source]])
            if file.source in ours
            else file
            for file in self.files
        )
        update = {"files": files, "made": (probe.facts, *self.made[1:]), "folder": probe.folder.name}
        return self.model_copy(update=update)


def lay_out(
    launch: LaunchFacts | None,
    program: ast.AST | None,
    shipped: Mapping[str, bytes],
    cache_folder: Path,
    sizes: InputSpec | None = None,
    *,
    vocab_size: int | None = None,
) -> Layout:
    """The layout for a submission.

    `program` is the tree of the launched script, unpacked; `shipped` the files of its folder by relative path; `sizes`
    has the lengths and kinds of streams (its vocabulary is not used); `vocab_size` overrides what the settings say.
    Raises `VocabularyError` where the vocabulary in force cannot be made.
    """
    names = names_of(launch, program)
    notes: list[str] = []
    base = sizes or InputSpec()
    spec, model = _in_force(launch, names, shipped, base, vocab_size)
    tree = _Tree(shipped, cache_folder)
    current = make_inputs(spec, cache_folder, model)
    variants = {spec: current}
    for root in names.roots:
        tree.root(root, current)
        if root != DATA:  # a folder that the submission names may hold folders, or the shards themselves
            tree.data_set(root, current)
    bytes_alone = spec.tokenizer is TokenizerKind.BYTE
    # A program over bytes that still names a SentencePiece model gets the one that the name says.
    models = [name for name in names.in_force if bytes_alone and name.endswith(".model")]
    for name in names.in_force:
        if name not in models:
            tree.name(name, current)
    for name in (*models, *names.mentioned):
        wanted = _spec_of(name, current.facts.spec, base)
        if wanted is None:
            tree.name(name, current)
            continue
        if wanted not in variants and len(variants) < _VARIANTS:
            try:
                variants[wanted] = make_inputs(wanted, cache_folder)
            except VocabularyError as error:
                notes.append(f"{name}: {error}")
        if wanted in variants:
            tree.name(name, variants[wanted])
    used = {id(made): made.facts for made in (current, *variants.values())}
    return Layout(
        files=tuple(tree.files[path] for path in sorted(tree.files)),
        environment=(*names.environment, *_left_empty(launch, spec), *_own_tokenizer(launch, shipped)),
        made=tuple(used.values()),
        folder=current.folder.name,
        outside=names.outside,
        notes=tuple(notes),
    )


def _in_force(
    launch: LaunchFacts | None, names: Names, shipped: Mapping[str, bytes], base: InputSpec, vocab_size: int | None
) -> tuple[InputSpec, bytes | None]:
    """The vocabulary that this launch reads, and the submission's own tokenizer for it if it ships one."""
    size = vocab_size or _size_setting(launch) or _size_in(names.in_force) or _size_in(names.mentioned)
    named = any(_CASEOPS.search(name) for name in names.in_force) and not _only_defaults(launch, names)
    kind = TokenizerKind.CASEOPS if named or _switched_on(launch, "CASEOPS_ENABLED") else TokenizerKind.BPE
    asked = [posixpath.basename(name) for name in names.in_force if name.endswith(".model")]
    for path in sorted(shipped, key=lambda path: (posixpath.basename(path) not in asked, path)):
        if not path.endswith(".model"):
            continue
        try:
            own = own_tokenizer(shipped[path])
        except VocabularyError:
            continue
        if (size is None or own.vocab_size == size) and (own.kind is kind or posixpath.basename(path) in asked):
            return base.model_copy(update={"tokenizer": own.kind, "vocab_size": own.vocab_size}), shipped[path]
    size = size or _DEFAULT_SIZE
    if 256 <= size <= 260 or (size < 300 and any(_BYTES.search(name) for name in names.in_force)):
        kind = TokenizerKind.BYTE
    return base.model_copy(update={"tokenizer": kind, "vocab_size": size, "model_sha256": None}), None


def _left_empty(launch: LaunchFacts | None, spec: InputSpec) -> tuple[tuple[str, str], ...]:
    """Variables that the launch leaves unset, where the program would search the machine or follow what is unknown.

    An empty `TOKENIZER_PATH` alone says that there is none, which byte vocabularies do.
    """
    values = {setting.env: setting.value for setting in (launch.settings if launch is not None else ())}
    usual = {"DATA_PATH": f"{DATA}/{_usual_set(spec)}", "TOKENIZER_PATH": f"{DATA}/{_usual_model(spec)}"}
    empty = {env for env in usual if values.get(env, "set") == ""} if values.get("DATA_PATH") == "" else set()
    unknown = {env for env in usual if values.get(env, "set") is None and spec.tokenizer is not TokenizerKind.BYTE}
    return tuple((env, value) for env, value in usual.items() if env in empty | unknown)


def _own_tokenizer(launch: LaunchFacts | None, shipped: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Variables for a tokenizer in a format of the submission's own, and the only file of the folder that can be it."""
    held = [path for path in shipped if path.endswith(".json") and _TOKENIZER.search(posixpath.basename(path))]
    asking = [
        setting.env
        for setting in (launch.settings if launch is not None else ())
        if setting.env is not None and _TOKENIZER.search(setting.env) and str(setting.value).endswith(".json")
    ]
    return tuple((name, f"./{held[0]}") for name in asking) if len(held) == 1 else ()


def _usual_set(spec: InputSpec) -> str:
    """Below a root: the data set under its usual name."""
    kind = "byte" if spec.tokenizer is TokenizerKind.BYTE else "sp"
    return f"datasets/fineweb10B_{kind}{spec.vocab_size}"


def _usual_model(spec: InputSpec) -> str:
    return f"tokenizers/fineweb_{spec.vocab_size}_bpe.model"


def _only_defaults(launch: LaunchFacts | None, names: Names) -> bool:
    """Whether case operators are named by settings that hold a default for them, while the switch is off."""
    if launch is None or not any(setting.env == "CASEOPS_ENABLED" for setting in launch.settings):
        return False
    read = [name for name in names.in_force if re.search(r"fineweb_(?:train|val)_", posixpath.basename(name))]
    return not _switched_on(launch, "CASEOPS_ENABLED") and not any(_CASEOPS.search(name) for name in read)


def _switched_on(launch: LaunchFacts | None, env: str) -> bool:
    settings = launch.settings if launch is not None else ()
    return any(s.env == env and s.value not in {None, False, "", "0", "false", "False"} for s in settings)


def _size_setting(launch: LaunchFacts | None) -> int | None:
    for setting in launch.settings if launch is not None else ():
        if setting.name.lower() == "vocab_size" or setting.env == "VOCAB_SIZE":
            text = str(setting.value)
            if text.isdigit() and int(text):
                return int(text)
    return None


def _size_in(names: tuple[str, ...]) -> int | None:
    """The size that the first name with one says; bytes have 260."""
    for name in names:
        if (found := _SIZE.search(name)) is not None:
            return int(found[1])
        if re.search(r"fineweb\w*_bytes?", name):
            return 260
    return None


def _spec_of(name: str, current: InputSpec, base: InputSpec) -> InputSpec | None:
    """The vocabulary that a mentioned name says, None where it says none or the one in force."""
    kind = TokenizerKind.CASEOPS if _CASEOPS.search(name) else TokenizerKind.BPE
    size = _size_in((name,))
    if size is None or "*" in name or (size, kind) == (current.vocab_size, current.tokenizer):
        return None
    if size <= 260:
        kind = TokenizerKind.BYTE
    return base.model_copy(update={"tokenizer": kind, "vocab_size": size, "model_sha256": None})


@dataclass
class _Tree:
    """Collects placed files; the first to take a name keeps it."""

    shipped: Mapping[str, bytes]
    cache_folder: Path
    files: dict[str, Placed] = field(default_factory=dict)

    def root(self, root: str, made: Made) -> None:
        """The competition's tree: a data set and a tokenizer under their usual names."""
        spec = made.facts.spec
        size = spec.vocab_size
        self.data_set(f"{root}/{_usual_set(spec)}", made)
        self.model(f"{root}/{_usual_model(spec)}", made)
        if spec.tokenizer is TokenizerKind.CASEOPS:
            for path in CASEOPS_SETS:
                self.data_set(f"{root}/{path.format(size=size)}", made)
            for path in CASEOPS_MODELS:
                self.model(f"{root}/{path.format(size=size)}", made)
        self.place(f"{root}/{made_files.DOCS}", made, made_files.DOCS)

    def name(self, name: str, made: Made) -> None:
        """One name of a submission, whatever it is for."""
        base = posixpath.basename(name.rstrip("/"))
        folder = posixpath.dirname(name.rstrip("/"))
        if base.endswith(".bin"):
            self.shards(folder or f"{DATA}/{_usual_set(made.facts.spec)}", base, made)
            if not folder:
                self.shards(DATA, base, made)
        elif base.endswith((".model", ".vocab", ".json")):
            self.model(name if folder else f"{DATA}/tokenizers/{base}", made)
        elif base.endswith(".jsonl"):
            self.place(name if folder else f"{DATA}/{base}", made, made_files.DOCS)
        elif _SUFFIX.search(base) is None and not base.endswith(("_", "*")):
            if base in {"datasets", "tokenizers", "data"}:
                self.root(folder or ".", made)
            else:
                self.data_set(name if folder else f"{DATA}/datasets/{base}", made)

    def data_set(self, folder: str, made: Made) -> None:
        """All shards under their usual names."""
        self.shards(folder, "fineweb_train_*.bin", made)
        self.shards(folder, "fineweb_val_*.bin", made)
        if made.facts.spec.tokenizer is TokenizerKind.CASEOPS:
            self.shards(folder, "fineweb_val_bytes_*.bin", made)

    def shards(self, folder: str, pattern: str, made: Made) -> None:
        """Files that `pattern` matches: every training shard, or the validation shard or its sidecar."""
        if "val" in pattern and _BYTES.search(pattern):
            sources = [made_files.VAL_BYTES]
        elif "val" in pattern:
            sources = [made_files.VAL]
        else:
            sources = [train_shard(number) for number in range(made.facts.spec.train_shards)]
        for number, source in enumerate(sources):
            self.place(f"{folder}/{_filled(pattern, number)}", made, source)

    def model(self, path: str, made: Made) -> None:
        """A tokenizer in the forms that it has, side by side."""
        stem = path.rsplit(".", 1)[0]
        for suffix, source in (
            (".model", made_files.MODEL),
            (".vocab", made_files.VOCAB),
            (".json", made_files.TOKENIZER_JSON),
        ):
            self.place(stem + suffix, made, source)

    def place(self, path: str, made: Made, source: str) -> None:
        """One file, unless the submission ships it, another one has the name, or it was not made."""
        path = below(path)
        sha256 = next((file.sha256 for file in made.facts.files if file.name == source), None)
        if sha256 is not None and path not in self.shipped and path not in self.files:
            self.files[path] = Placed(path=path, source=f"{made.folder.name}/{source}", sha256=sha256)


def _filled(pattern: str, number: int) -> str:
    """A name that a glob pattern matches: digits for stars and classes."""
    if "*" not in pattern and "[" not in pattern and "?" not in pattern:
        return pattern
    digits = f"{number:06d}"
    classes = iter(digits)
    name = re.sub(r"\[[^\]]*\]|\?", lambda _: next(classes, "0"), pattern)
    return name.replace("*", digits)
