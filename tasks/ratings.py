"""Numbers in a judge's reply, read soundly: in whatever dress they come, and only where it is clear what is meant."""

from __future__ import annotations

import re

_LABEL = re.compile(r"assistant\s*#?[12]\b", re.IGNORECASE)
_OUT_OF = re.compile(r"(?:(?<=\d)\s*/|\bout of)\s*\d+(?:\.\d+)?", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?(?![\w%])|(?<=\d)-(\d+(?:\.\d*)?)(?![\w%])")


def ratings(reply: str, highest: float) -> tuple[float, ...]:
    """The numbers of the first line that is not blank; none if any lies outside 0 to `highest`.

    "Assistant 1" and the like are labels; "/10" and "out of 10" name the scale. Total: never raises.
    """
    line = next((line for line in reply.splitlines() if line.strip()), "")
    line = _OUT_OF.sub("", _LABEL.sub(" ", line))
    found = tuple(float(match.group(1) or match.group()) for match in _NUMBER.finditer(line))
    return found if all(0.0 <= number <= highest for number in found) else ()
