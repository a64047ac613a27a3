"""Opening pictures: the right picture, or a short reason why not."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import PIL.Image

from harness.errors import MediaError
from harness.types import Image

MAX_PIXELS = 100_000_000
"""Pictures beyond this are refused before they are decoded: no benchmark has them, decompression bombs do."""


def open_image(image: Image) -> PIL.Image.Image:
    """The picture in RGB. Raises MediaError.

    EXIF orientation is not applied, as in the released LLaVA pipelines (open, then convert to RGB). 16-bit greyscale is
    scaled to 8 bits; a plain conversion would turn it white.
    """
    content = _read(image)
    if not content:
        raise MediaError("empty file", str(image.source))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pictures between PIL's two size limits and of odd palettes
            picture = PIL.Image.open(io.BytesIO(content))
            if picture.width * picture.height > MAX_PIXELS:
                raise MediaError("picture too large", f"{image.source}: {picture.width} x {picture.height}")
            picture.load()
            return _rgb(picture)
    except PIL.Image.DecompressionBombError as error:
        raise MediaError("picture too large", f"{image.source}: {error}") from error
    except PIL.UnidentifiedImageError as error:
        raise MediaError("not a picture", str(image.source)) from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError) as error:  # PIL's decoders raise all of these
        reason = "truncated picture" if "truncated" in str(error).lower() else "corrupt picture"
        raise MediaError(reason, f"{image.source}: {error}") from error


def _read(image: Image) -> bytes:
    if not isinstance(image.source, Path):
        return image.source.read()
    try:
        return image.source.read_bytes()
    except FileNotFoundError as error:
        raise MediaError("file not found", str(image.source)) from error
    except OSError as error:
        raise MediaError("file not readable", f"{image.source}: {error.strerror}") from error


def _rgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    if picture.mode.startswith("I;16"):
        return PIL.Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
    return picture.convert("RGB")
