"""One adapter for all families of models that transformers has classes for; `families` says what sets them apart."""

from models.transformers_native.loading import check, load, settable

__all__ = ["check", "load", "settable"]
