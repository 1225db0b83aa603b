"""Packages that fetch: they import as on the competition's machine, and fetching fails as it does without network."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NoReturn

from harness.observe.cpu_run.guest.fidelity import StandIn, stand_in, used
from harness.observe.cpu_run.guest.stand_ins.flash import get_kernel

_REASON = "the sandbox has no network: every call fails as the package's own calls fail there"
for _package in ("huggingface_hub", "datasets"):
    stand_in(StandIn(_package, exact=True, reason=_REASON))
stand_in(StandIn("kernels", exact=True, reason="kernels that are known are stood in for; others are refused"))


class HfHubHTTPError(OSError):
    """The hub could not be reached."""


class EntryNotFoundError(HfHubHTTPError):
    """A file is not there."""


class LocalEntryNotFoundError(EntryNotFoundError, FileNotFoundError, ValueError):
    """A file is not on the disk, and the network cannot be reached."""


class RepositoryNotFoundError(HfHubHTTPError):
    """A repository is not there."""


def _unreachable(*_args: Any, **_options: Any) -> NoReturn:
    used("huggingface_hub")
    raise LocalEntryNotFoundError(
        "An error happened while trying to locate the file on the Hub and we cannot find the requested files in the "
        "local cache. Please check your connection and try again or make sure your Internet connection is on."
    )


class HfApi:
    """The client of the hub: every method fails."""

    def __init__(self, *_args: object, **_options: object) -> None:
        """Take any settings, as the real one connects only when asked something."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _unreachable


def _load_dataset(path: str, *_args: Any, **_options: Any) -> NoReturn:
    used("datasets")
    raise ConnectionError(f"Couldn't reach '{path}' on the Hub (LocalEntryNotFoundError)")


def hub_names() -> dict[str, object]:
    """What is in huggingface_hub."""
    calls = ("hf_hub_download", "snapshot_download", "list_repo_files", "upload_file", "upload_folder", "create_repo")
    errors = SimpleNamespace(**hub_errors())
    return {
        "__version__": "0.36.0",
        "HfApi": HfApi,
        "errors": errors,
        "utils": errors,
        "login": _unreachable,
        **dict.fromkeys(calls, _unreachable),
    }


def hub_errors() -> dict[str, object]:
    """What is in huggingface_hub.errors and huggingface_hub.utils."""
    kinds = (HfHubHTTPError, EntryNotFoundError, LocalEntryNotFoundError, RepositoryNotFoundError)
    return {kind.__name__: kind for kind in kinds}


def dataset_names() -> dict[str, object]:
    """What is in datasets."""
    return {"__version__": "4.0.0", "load_dataset": _load_dataset, "load_dataset_builder": _load_dataset}


def kernel_names() -> dict[str, object]:
    """What is in kernels."""
    used("kernels")
    return {"__version__": "0.10.0", "get_kernel": get_kernel, "has_kernel": _has_kernel}


def _has_kernel(repo_id: str, *_args: object, **_options: object) -> bool:
    return "flash-attn" in repo_id
