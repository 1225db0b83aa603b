"""The functions that the constant folder knows, by dotted name: decoders, paths, files and a few builtins.

A function gets the workspace, its positional and its named arguments, all of them known values. Anything that goes
wrong inside (`TypeError`, `ValueError` ...) makes the result unknown; `Undecodable` says so with its reason.
"""

from __future__ import annotations

import json
import lzma
import posixpath
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from harness.observe.reading.source.folding import payload
from harness.observe.reading.source.folding.payload import MAX_OUTPUT, Undecodable
from harness.observe.reading.source.folding.values import (
    FOLDER,
    Code,
    File,
    PathTo,
    Ref,
    Spec,
    Unknown,
    absolute,
    relative,
)
from harness.observe.reading.source.folding.workspace import Workspace

MAX_ITEMS = 1_000_000
"""Longest list, range or string of characters that is taken apart."""

Handler = Callable[[Workspace, list[Any], dict[str, Any]], Any]


@dataclass(frozen=True)
class Engine:
    """A decompressor object: `function` of the library, with the arguments its maker was given."""

    function: str
    arguments: list[Any] = field(default_factory=list)
    named: dict[str, Any] = field(default_factory=dict)


def text_path(value: Any) -> str:
    """Return the path that a string or `Path` names."""
    if isinstance(value, PathTo):
        return value.path
    if isinstance(value, str):
        return value
    raise TypeError("not a path")


def file_bytes(workspace: Workspace, value: Any) -> Any:
    """Return the bytes behind an open file, a `Path` or a path; unknown where the folder lacks the file."""
    if isinstance(value, File) and not value.path:
        return value.data
    path = value.path if isinstance(value, File) else text_path(value)
    data = workspace.read(path)
    if data is None:
        return Unknown(f"it reads {relative(absolute(path))}, which is not in the submission's folder")
    return data


def _text_decoder(codec: str, **fixed: Any) -> Handler:
    def decode(workspace: Workspace, arguments: list[Any], named: dict[str, Any]) -> Any:
        options = {key: value for key, value in named.items() if key in {"adobe", "foldspaces", "validate", "casefold"}}
        workspace.charge(arguments[0])
        result = payload.decode_text(codec, arguments[0], **{**fixed, **options})
        return workspace.derive(result, arguments[0], codec=codec)

    return decode


def _lzma(workspace: Workspace, arguments: list[Any], named: dict[str, Any]) -> Any:
    data, *rest = arguments  # decompress(data, format, memlimit, filters)
    container = named.get("format", rest[0] if rest else lzma.FORMAT_AUTO)
    filters = named.get("filters", rest[2] if len(rest) > 2 else None)
    codec = {lzma.FORMAT_RAW: "lzma-raw", lzma.FORMAT_ALONE: "lzma-alone"}.get(container, "lzma")
    filters = [dict(one) for one in filters] if filters is not None else None
    result = payload.decompress_lzma(data, workspace.allowance, container, filters)
    return workspace.derive(result, data, codec=codec)


def _zlib(workspace: Workspace, arguments: list[Any], named: dict[str, Any]) -> Any:
    wbits = named.get("wbits", arguments[1] if len(arguments) > 1 else zlib.MAX_WBITS)
    codec = "zlib-raw" if wbits < 0 else "gzip" if wbits > 15 else "zlib"
    result = payload.decompress_zlib(arguments[0], workspace.allowance, wbits)
    return workspace.derive(result, arguments[0], codec=codec)


def _plain(codec: str, function: Callable[..., bytes], **options: Any) -> Handler:
    def decode(workspace: Workspace, arguments: list[Any], _named: dict[str, Any]) -> Any:
        return workspace.derive(function(arguments[0], workspace.allowance, **options), arguments[0], codec=codec)

    return decode


def _codecs_decode(workspace: Workspace, arguments: list[Any], named: dict[str, Any]) -> Any:
    data = arguments[0]
    name = str(named.get("encoding", arguments[1] if len(arguments) > 1 else "utf-8"))
    codec = name.lower().replace("-", "_").removesuffix("_codec")
    if codec in {"rot13", "rot_13"}:
        return workspace.derive(payload.rot13(data), data, codec="rot13")
    through = {"hex": "hex", "base64": "b64", "zlib": "zlib", "zip": "zlib", "bz2": "bz2"}.get(codec)
    if through is None:
        return workspace.derive(data.decode(name), data)
    return FUNCTIONS[
        {"hex": "binascii.unhexlify", "b64": "base64.b64decode", "zlib": "zlib.decompress"}.get(
            through, "bz2.decompress"
        )
    ](workspace, [data], {})


def _opened(codec: str) -> Handler:
    """`lzma.open(...)` and its kin: a file whose bytes are decompressed."""

    def open_(workspace: Workspace, arguments: list[Any], named: dict[str, Any]) -> Any:
        source = named.get("fileobj") or arguments[0]
        mode = named.get("mode", arguments[1] if len(arguments) > 1 else "rb")
        data = file_bytes(workspace, source)
        if isinstance(data, Unknown):
            return data
        kept = {key: value for key, value in named.items() if key in {"format", "filters"}}
        return File("", "t" not in mode, FUNCTIONS[codec](workspace, [data], kept))

    return open_


def _engine(function: str, *, shift: bool) -> Handler:
    """A decompressor object; with `shift` its maker takes the arguments that follow the data in the function."""

    def make(_workspace: Workspace, arguments: list[Any], named: dict[str, Any]) -> Any:
        return Engine(function, arguments if shift else [], named if shift else {})

    return make


def _open(_workspace: Workspace, arguments: list[Any], named: dict[str, Any]) -> Any:
    if isinstance(arguments[0], File):  # os.fdopen of what mkstemp gave
        return arguments[0]
    mode = named.get("mode", arguments[1] if len(arguments) > 1 else "r")
    opened = File(absolute(text_path(arguments[0])), "b" in mode)
    if "w" in mode:
        _workspace.written[opened.path] = b""
    return opened


def _join(_workspace: Workspace, arguments: list[Any], _named: dict[str, Any]) -> Any:
    return posixpath.join(*(text_path(part) for part in arguments))


def _path(_workspace: Workspace, arguments: list[Any], _named: dict[str, Any]) -> Any:
    return PathTo(absolute(posixpath.join(*(text_path(part) for part in arguments)) if arguments else ""))


def _on_path(function: Callable[[str], Any]) -> Handler:
    return lambda _workspace, arguments, _named: function(text_path(arguments[0]))


def _exists(workspace: Workspace, arguments: list[Any], _named: dict[str, Any]) -> Any:
    known = workspace.exists(text_path(arguments[0]))
    return Unknown("it asks for a file outside the submission's folder") if known is None else known


def _search(workspace: Workspace, arguments: list[Any], _named: dict[str, Any]) -> Any:
    path = absolute(text_path(arguments[-1]))
    if path != FOLDER and len(workspace.search) < 32:
        workspace.search.append(relative(path))


def _str(workspace: Workspace, arguments: list[Any], named: dict[str, Any]) -> Any:
    if not arguments:
        return ""
    value = arguments[0]
    if isinstance(value, PathTo):
        return value.path
    if isinstance(value, bytes) and (len(arguments) > 1 or named):
        return workspace.derive(value.decode(*arguments[1:], **named), value)
    if isinstance(value, (str, int, float)) and len(arguments) == 1:
        return str(value)
    raise TypeError("not folded")


def _bytes(workspace: Workspace, arguments: list[Any], named: dict[str, Any]) -> Any:
    if not arguments:
        return b""
    value = arguments[0]
    if isinstance(value, int) and not 0 <= value <= MAX_OUTPUT:
        raise ValueError("too long")
    if not isinstance(value, (int, str, bytes, list, tuple, range)):
        raise TypeError("not folded")
    return workspace.derive(bytes(value, *arguments[1:], **named) if isinstance(value, str) else bytes(value), value)


def _items(make: Callable[..., Any]) -> Handler:
    def build(workspace: Workspace, arguments: list[Any], named: dict[str, Any]) -> Any:
        for value in arguments:
            if isinstance(value, (str, bytes, list, tuple, dict, range)) and len(value) > MAX_ITEMS:
                raise ValueError("too long")
        workspace.charge(*arguments)
        return workspace.derive(make(*arguments, **named), *arguments)

    return build


def _range(_workspace: Workspace, arguments: list[Any], _named: dict[str, Any]) -> Any:
    made = range(*arguments)
    if abs(made.stop - made.start) // abs(made.step) > MAX_ITEMS:
        raise ValueError("too long")
    return made


def _loads(workspace: Workspace, arguments: list[Any], _named: dict[str, Any]) -> Any:
    workspace.charge(arguments[0])
    found = json.loads(arguments[0])
    for value in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
        workspace.derive(value, arguments[0])
    return workspace.derive(found, arguments[0])


def _mkstemp(workspace: Workspace, _arguments: list[Any], _named: dict[str, Any]) -> Any:
    path = workspace.temporary()
    return (File(path, binary=True), path)


def _named_file(workspace: Workspace, arguments: list[Any], named: dict[str, Any]) -> Any:
    mode = named.get("mode", arguments[0] if arguments else "w+b")
    return File(workspace.temporary() + str(named.get("suffix", "")), "b" in mode)


def _spec(_workspace: Workspace, arguments: list[Any], named: dict[str, Any]) -> Any:
    name = named.get("name", named.get("fullname", arguments[0] if arguments else ""))
    location = named.get("location", named.get("path", arguments[1] if len(arguments) > 1 else None))
    return Spec(absolute(text_path(location)), str(name))


def _not_decoded(what: str) -> Handler:
    def refuse(_workspace: Workspace, _arguments: list[Any], _named: dict[str, Any]) -> Any:
        raise Undecodable(f"{what} can hide any code and is not decoded without running it")

    return refuse


_BASE64 = {
    "b85decode": "b85",
    "b64decode": "b64",
    "standard_b64decode": "b64",
    "urlsafe_b64decode": "urlsafe-b64",
    "decodebytes": "b64",
    "a85decode": "a85",
    "b32decode": "b32",
    "b16decode": "b16",
}

FUNCTIONS: dict[str, Handler] = {
    **{f"base64.{name}": _text_decoder(codec) for name, codec in _BASE64.items()},
    "binascii.unhexlify": _text_decoder("hex"),
    "binascii.a2b_hex": _text_decoder("hex"),
    "binascii.a2b_base64": _text_decoder("b64"),
    "bytes.fromhex": lambda workspace, given, _: workspace.derive(bytes.fromhex(given[0]), given[0], codec="hex"),
    "codecs.decode": _codecs_decode,
    "lzma.decompress": _lzma,
    "zlib.decompress": _zlib,
    "gzip.decompress": _plain("gzip", payload.decompress_zlib, wbits=31),
    "bz2.decompress": _plain("bz2", payload.decompress_bz2),
    "brotli.decompress": _plain("brotli", payload.decompress_brotli),
    "brotlicffi.decompress": _plain("brotli", payload.decompress_brotli),
    **{
        f"{module}.decompress": _plain("zstd", payload.decompress_zstd)
        for module in ("zstandard", "zstd", "pyzstd", "compression.zstd", "backports.zstd")
    },
    "lzma.LZMADecompressor": _engine("lzma.decompress", shift=True),
    "zlib.decompressobj": _engine("zlib.decompress", shift=True),
    "bz2.BZ2Decompressor": _engine("bz2.decompress", shift=False),
    "zstandard.ZstdDecompressor": _engine("zstandard.decompress", shift=False),
    "lzma.open": _opened("lzma.decompress"),
    "lzma.LZMAFile": _opened("lzma.decompress"),
    "gzip.open": _opened("gzip.decompress"),
    "gzip.GzipFile": _opened("gzip.decompress"),
    "bz2.open": _opened("bz2.decompress"),
    "bz2.BZ2File": _opened("bz2.decompress"),
    "marshal.loads": _not_decoded("a marshalled code object"),
    "pickle.loads": _not_decoded("a pickle"),
    "json.loads": _loads,
    "io.BytesIO": lambda _, given, __: File("", binary=True, data=given[0] if given else b""),
    "io.StringIO": lambda _, given, __: File("", binary=False, data=given[0].encode() if given else b""),
    "open": _open,
    "io.open": _open,
    "os.fdopen": _open,
    "os.path.join": _join,
    **{
        f"os.path.{name}": _on_path(getattr(posixpath, name))
        for name in ("dirname", "basename", "normpath", "splitext")
    },
    **{f"os.path.{name}": _on_path(absolute) for name in ("abspath", "realpath")},
    **{f"os.path.{name}": _exists for name in ("exists", "isfile", "isdir")},
    "os.fspath": _on_path(str),
    "os.getcwd": lambda *_: FOLDER,
    "pathlib.Path": _path,
    "pathlib.PurePath": _path,
    "pathlib.PosixPath": _path,
    "pathlib.Path.cwd": lambda *_: PathTo(FOLDER),
    "sys.path.insert": _search,
    "sys.path.append": _search,
    "tempfile.mkdtemp": lambda workspace, *_: workspace.temporary(),
    "tempfile.gettempdir": lambda workspace, *_: workspace.temporary(),
    "tempfile.TemporaryDirectory": lambda workspace, *_: workspace.temporary(),
    "tempfile.mkstemp": _mkstemp,
    "tempfile.NamedTemporaryFile": _named_file,
    "importlib.util.spec_from_file_location": _spec,
    "importlib.util.module_from_spec": lambda _, given, __: given[0],
    "importlib.machinery.SourceFileLoader": _spec,
    "compile": lambda _, given, __: Code(given[0]),
    "str": _str,
    "bytes": _bytes,
    "bytearray": _bytes,
    "memoryview": _bytes,
    "int": lambda _, given, __: int(*given),
    "float": lambda _, given, __: float(*given),
    "bool": lambda _, given, __: bool(*given),
    "len": lambda _, given, __: len(given[0]),
    "chr": lambda _, given, __: chr(given[0]),
    "ord": lambda _, given, __: ord(given[0]),
    "abs": lambda _, given, __: abs(given[0]),
    "min": _items(min),
    "max": _items(max),
    "list": _items(list),
    "tuple": _items(tuple),
    "dict": _items(dict),
    "set": _items(lambda *given: list(dict.fromkeys(*given))),
    "sorted": _items(sorted),
    "reversed": _items(lambda given: list(reversed(given))),
    "enumerate": _items(lambda *given: list(enumerate(*given))),
    "zip": _items(lambda *given, **_: list(zip(*given, strict=False))),
    "range": _range,
    "print": lambda *_: None,
}

BUILTINS = frozenset(
    {name for name in FUNCTIONS if "." not in name}
    | {"exec", "eval", "__import__", "getattr", "globals", "locals", "vars", "map", "True", "False", "None"}
)


def constant(name: str) -> Any:
    """Return the value of a module constant that a decoder may be given, or the reference itself."""
    module, _, attribute = name.rpartition(".")
    if (
        module in {"lzma", "zlib"}
        and attribute.isupper()
        and isinstance(found := getattr({"lzma": lzma, "zlib": zlib}[module], attribute, None), int)
    ):
        return found
    fixed = {"sys.executable": "python", "os.sep": "/", "os.curdir": ".", "os.linesep": "\n"}
    return fixed.get(name, Ref(name))
