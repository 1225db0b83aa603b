"""submission.json under all its spellings into `MetadataFacts`."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from harness.model.base import At, Fact, snippet
from harness.model.metadata import MetadataFacts, SeedClaim
from harness.observe.reading import spellings
from harness.observe.reading.repair import load_object
from harness.observe.reading.text import decode

T = TypeVar("T")
MAX_SEEDS = 64
MAX_KEYS = 400
_LOSS_IS_BPB = 1.5
"""A val_loss below this, with no val_bpb beside it, holds bits per byte: a template that did so was copied by many."""
_NUMBER = re.compile(r"[-+]?\d[\d,_ ]*(?:\.\d+)?(?:[eE][-+]?\d+)?|[-+]?\.\d+")
_UNIT_BYTES = {"kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 1024.0, "mib": 1024.0**2, "gib": 1024.0**3}
_UNIT_SECONDS = {"ms": 1e-3, "minutes": 60.0, "min": 60.0, "mins": 60.0, "hours": 3600.0, "h": 3600.0, "hrs": 3600.0}
_SEED_KEY = re.compile(r"(?:seed[_ -]?)?(\d{1,10})", re.IGNORECASE)
_SEED_IN_KEY = re.compile(r"(?:^|_)seed_?(\d{1,10})(?:_|$)", re.IGNORECASE)


def read_metadata(path: str, data: bytes) -> MetadataFacts:
    """Facts of one metadata file. Never raises: what cannot be read is in `damage`."""
    decoded = decode(data)
    repaired = load_object(decoded.text)
    damage = list(repaired.damage)
    if decoded.encoding not in {"utf-8"}:
        damage.append(f"the file is {decoded.encoding}, expected UTF-8 without a byte-order mark")
    reader = _Reader(path, decoded.text, repaired.value or {})
    at = At(path=path, line=1)
    return MetadataFacts(
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        parsed=repaired.value is not None,
        damage=tuple(Fact(value=note, at=at) for note in damage),
        keys=tuple(key[:80] for key in list(reader.root)[:MAX_KEYS]),
        **reader.claims(),
    )


class _Reader:
    """Looks up claims in one parsed object; positions are the lines of their keys in the text."""

    def __init__(self, path: str, text: str, root: dict[str, Any]) -> None:
        self.path = path
        self.root = root
        self._lines = text.split("\n")

    def claims(self) -> dict[str, Any]:
        """Keyword arguments of `MetadataFacts`."""
        found: dict[str, Any] = {
            name: self._first(getattr(spellings, name.upper()), _text)
            for name in ("name", "author", "github_id", "date", "track", "summary", "hardware", "torch")
        }
        found["val_bpb"] = self._first(spellings.VAL_BPB, _bits)
        found["val_loss"] = self._first(spellings.VAL_LOSS, _loss)
        found["val_bpb_std"] = self._first(spellings.VAL_BPB_STD, _not_negative)
        for name, keys in spellings.SIZES.items():
            found[name] = self._first(keys, _size)
        for name, keys in spellings.TIMES.items():
            found[name] = self._first(keys, _seconds)
        found["steps"] = self._first(spellings.STEPS, _not_negative)
        found["per_seed"] = tuple(self._per_seed())[:MAX_SEEDS]
        found["seeds"] = self._seeds(found["per_seed"])
        found["scores"] = tuple(self._scores())
        found["declared"] = tuple(self._declared())
        found["placeholders"] = tuple(self._placeholders())
        return found | self._derived(found)

    def _derived(self, found: dict[str, Any]) -> dict[str, Any]:
        """Claims that the file makes only indirectly; their `text` says how they were derived."""
        derived: dict[str, Any] = {}
        loss = found["val_loss"]
        if found["val_bpb"] is None and loss is not None and loss.value < _LOSS_IS_BPB and not found["per_seed"]:
            derived["val_bpb"] = loss.model_copy(
                update={"text": f"{loss.text}, too low for nats: taken as bits per byte"}
            )
            derived["val_loss"] = None
        scores = [claim.val_bpb for claim in found["per_seed"] if claim.val_bpb is not None]
        if found["val_bpb"] is None and scores:
            mean = sum(fact.value for fact in scores) / len(scores)
            derived["val_bpb"] = Fact(value=mean, at=scores[0].at, text="mean of the seeds' val_bpb")
        sizes = [claim.bytes_total for claim in found["per_seed"] if claim.bytes_total is not None]
        if found["bytes_total"] is None and sizes:
            largest = max(sizes, key=lambda fact: fact.value)
            derived["bytes_total"] = largest.model_copy(update={"text": "largest of the seeds' sizes"})
        code, model = found["bytes_code"], found["bytes_model"]
        if found["bytes_total"] is None and not sizes and code is not None and model is not None:
            derived["bytes_total"] = Fact(
                value=code.value + model.value, at=model.at, text=f"{code.text} + {model.text}"
            )
        return derived

    def _first(self, keys: tuple[str, ...], convert: Callable[[str, Any], T | None]) -> Fact[T] | None:
        """The first of `keys` (dotted for nested objects) whose value `convert` accepts."""
        for key in keys:
            value: Any = self.root
            for part in key.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            converted = convert(key, value) if value is not None else None
            if converted is not None:
                return self._fact(key, converted)
        return None

    def _fact(self, key: str, value: T) -> Fact[T]:
        return Fact(value=value, at=At(path=self.path, line=self._line(key.rsplit(".", 1)[-1])), text=key[:120])

    def _line(self, key: str) -> int:
        quoted = f'"{key}"'
        return next((i for i, line in enumerate(self._lines, 1) if quoted in line), 1)

    def _seeds(self, per_seed: tuple[SeedClaim, ...]) -> tuple[Fact[int], ...]:
        for key in spellings.SEEDS:
            value = self.root.get(key)
            if isinstance(value, int | str) and key in spellings.SEED_COUNTS:
                continue
            items = value if isinstance(value, list) else list(value) if isinstance(value, dict) else [value]
            seeds = [seed for item in items[:MAX_SEEDS] if (seed := _seed(item)) is not None]
            if seeds:
                return tuple(self._fact(key, seed) for seed in dict.fromkeys(seeds))
        named = [claim.seed for claim in per_seed if claim.seed is not None]
        return tuple(self._fact(str(seed), seed) for seed in dict.fromkeys(named))

    def _per_seed(self) -> Iterator[SeedClaim]:
        for key in spellings.PER_SEED:
            value = self.root.get(key)
            rows = list(self._rows(key, value))
            if rows:
                yield from rows
                return
        yield from self._flat_seeds()

    def _flat_seeds(self) -> Iterator[SeedClaim]:
        """Per-seed values spread over top-level keys: `seed_300: {...}`, `val_bpb_seed1337`, `bytes_total_seed1337`."""
        flat: dict[int, dict[str, Any]] = {}
        for key, value in self.root.items():
            match = _SEED_IN_KEY.search(key)
            if match is None:
                continue
            field = key[: match.start()] + key[match.end() :]
            merged = value if isinstance(value, dict) else {field or "val_bpb": value}
            flat.setdefault(int(match.group(1)), {}).update(merged)
        for seed, item in list(flat.items())[:MAX_SEEDS]:
            if claim := self._claim(f"seed{seed}", seed, item):
                yield claim

    def _rows(self, key: str, value: Any) -> Iterator[SeedClaim]:
        if isinstance(value, dict):
            for name, item in list(value.items())[:MAX_SEEDS]:
                match = _SEED_KEY.fullmatch(str(name).strip())
                if match and (claim := self._claim(str(name), int(match.group(1)), item)):
                    yield claim
        elif isinstance(value, list):
            parallel = self.root.get("seeds")
            for i, item in enumerate(value[:MAX_SEEDS]):
                seed = _seed(item)
                if seed is None and isinstance(parallel, list) and i < len(parallel) and not isinstance(item, int):
                    seed = _seed(parallel[i])
                claim = self._claim(key, seed, item) if isinstance(item, dict | float) else None
                if claim:
                    yield claim

    def _claim(self, key: str, seed: int | None, item: Any) -> SeedClaim | None:
        if isinstance(item, int | float) and not isinstance(item, bool):
            value = _bits("val_bpb", item)
            return SeedClaim(seed=seed, val_bpb=self._fact(key, value)) if value is not None else None
        if not isinstance(item, dict):
            return None
        found: dict[str, Any] = {}
        for name, (keys, convert) in _SEED_FIELDS.items():
            for inner in keys:
                value = convert(inner, item.get(inner))
                if value is not None:
                    found[name] = self._fact(f"{key}.{inner}" if inner not in self.root else key, value)
                    break
        return SeedClaim(seed=seed, **found) if found else None

    def _scores(self) -> Iterator[Fact[float]]:
        for key, value in list(self.root.items())[:MAX_KEYS]:
            if "bpb" in key.lower() and isinstance(value, float | int) and (bits := _bits(key, value)) is not None:
                yield self._fact(key, bits)

    def _declared(self) -> Iterator[Fact[float]]:
        nested = [self.root.get(key) for key in spellings.MODEL_OBJECTS]
        for name, keys in spellings.DECLARED.items():
            for holder in (self.root, *nested):
                if not isinstance(holder, dict):
                    continue
                lower = {key.lower(): key for key in holder}
                found = next((lower[key] for key in keys if key in lower), None)
                value = _number(holder[found]) if found is not None else None
                if found is not None and value is not None:
                    at = At(path=self.path, line=self._line(found))
                    yield Fact(value=value, at=at, text=name)
                    break

    def _placeholders(self) -> Iterator[Fact[str]]:
        for key in ("val_bpb", "val_loss", "bytes_total", "bytes_code", "author", "github_id", "date", "name"):
            if key in self.root:
                value = self.root[key]
                empty = (
                    value is None
                    or value in (0, -1, "")
                    or (isinstance(value, str) and spellings.PLACEHOLDER.search(value))
                )
                if empty:
                    yield self._fact(key, snippet(repr(value), 60))


def _text(_key: str, value: Any) -> str | None:
    if isinstance(value, dict):
        value = next((value[key] for key in ("name", "github", "login", "gpu", "type") if key in value), str(value))
    if isinstance(value, list):
        value = ", ".join(item if isinstance(item, str) else str(item) for item in value[:20])
    if isinstance(value, bool) or value is None:
        return None
    text = snippet(str(value), 2_000)
    return text or None


def _number(value: Any) -> float | None:
    """A finite number, or the first one in a string such as "1.2244" or "15,863,278 bytes"."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, list):
        numbers = [n for item in value[:MAX_SEEDS] if (n := _number(item)) is not None and not isinstance(item, str)]
        return max(numbers) if numbers else None
    if isinstance(value, dict):
        for key in ("mean", "val_bpb", "max", "total", "value"):
            if key in value and not isinstance(value[key], dict | list):
                return _number(value[key])
        numbers = [
            n
            for item in list(value.values())[:MAX_SEEDS]
            if not isinstance(item, dict | list | str) and (n := _number(item)) is not None
        ]
        return max(numbers) if numbers else None
    match = _NUMBER.search(value[:200]) if isinstance(value, str) else None
    if match is None:
        return None
    number = float(re.sub(r"[,_ ]", "", match.group()))
    return number if math.isfinite(number) else None


def _bits(_key: str, value: Any) -> float | None:
    if isinstance(value, list) or (isinstance(value, dict) and "mean" not in value and "val_bpb" not in value):
        return None
    number = _number(value)
    return number if number is not None and 0.0 < number < 50.0 else None


_loss = _bits


def _not_negative(_key: str, value: Any) -> float | None:
    number = _number(value)
    return number if number is not None and number >= 0 else None


def _size(key: str, value: Any) -> int | None:
    """Bytes; the unit is read from the key (`_mb`) or from the string ("15.9 MB")."""
    number = _number(value)
    if number is None or number <= 0:
        return None
    words = f"{key.rsplit('.', 1)[-1].replace('_', ' ')} {value if isinstance(value, str) else ''}".lower()
    unit = next((factor for name, factor in _UNIT_BYTES.items() if re.search(rf"(?<![a-z]){name}\b", words)), None)
    if unit is not None and number < 1e5:
        number *= unit
    return round(number) if 1 <= number < 1e15 else None


def _seconds(key: str, value: Any) -> float | None:
    """Seconds; the unit is read from the key (`_ms`, `_minutes`) or from the string."""
    number = _number(value)
    if number is None or not 0 <= number < 1e12:
        return None
    words = re.split(r"[^a-z]+", f"{key} {value if isinstance(value, str) else ''}".lower())
    unit = next((factor for name, factor in _UNIT_SECONDS.items() if name in words), 1.0)
    return number * unit


def _seed(item: Any) -> int | None:
    if isinstance(item, dict):
        item = item.get("seed")
    if isinstance(item, bool) or item is None:
        return None
    if isinstance(item, int):
        return item if 0 <= item < 1 << 62 else None
    match = _SEED_KEY.fullmatch(item.strip()) if isinstance(item, str) and len(item) < 40 else None
    return int(match.group(1)) if match else None


def _steps(key: str, value: Any) -> int | None:
    number = _not_negative(key, value)
    return round(number) if number is not None and number < 1e12 else None


_SEED_FIELDS: dict[str, tuple[tuple[str, ...], Callable[[str, Any], Any]]] = {
    "val_bpb": (spellings.SEED_VAL_BPB, _bits),
    "val_loss": (spellings.SEED_VAL_LOSS, _loss),
    "bytes_total": (spellings.SEED_BYTES, _size),
    "train_seconds": (spellings.SEED_TRAIN, _seconds),
    "eval_seconds": (spellings.SEED_EVAL, _seconds),
    "steps": (spellings.SEED_STEPS, _steps),
}
