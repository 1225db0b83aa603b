"""Putting something in the place of an attribute of torch."""

from __future__ import annotations

from typing import Any


def put(owner: object, **replacements: Any) -> None:
    """Set attributes of a module, class or object to what stands in for them."""
    for name, replacement in replacements.items():
        setattr(owner, name, replacement)
