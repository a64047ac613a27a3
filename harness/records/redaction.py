"""Secrets stay out of what a run leaves, even where a command line or an error message repeats one."""

from __future__ import annotations

import os
import re

_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)$", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_-]{32,})|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)|(?<=Bearer )[^\s\"']+"
)
_SHORTEST = 8


def redacted(text: str) -> str:
    """The text with secret-looking words, and the values of environment variables with secret-looking names, as
    '***'."""
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST and value in text and _SECRET_NAME.search(name):
            text = text.replace(value, "***")
    return _SECRET_TEXT.sub("***", text)
