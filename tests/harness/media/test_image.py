"""Opening pictures of every kind, and refusing what is none."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from harness.errors import MediaError
from harness.media.image import open_image
from harness.types import Image


def saved(picture: PIL.Image.Image, path: Path, **options: object) -> Image:
    picture.save(path, **options)  # type: ignore[arg-type]
    return Image(path.name, path)


def colours() -> PIL.Image.Image:
    return PIL.Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 30, 3), dtype=np.uint8))


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.webp"])
def test_lossless_picture_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    options = {"lossless": True} if name.endswith("webp") else {}
    opened = open_image(saved(colours(), tmp_path / name, **options))
    np.testing.assert_array_equal(np.asarray(opened), np.asarray(colours()))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "I;16"])
def test_every_colour_mode_becomes_rgb(mode: str, tmp_path: Path) -> None:
    deep = PIL.Image.fromarray(np.full((9, 8), 0x8000, np.uint16))
    picture = deep if mode == "I;16" else colours().convert(mode)
    opened = open_image(saved(picture, tmp_path / ("a.tif" if mode in ("CMYK",) else "a.png")))
    assert opened.mode == "RGB"
    assert opened.size == picture.size
    if mode == "I;16":
        assert np.asarray(opened).max() == 0x80, "16 bits are scaled, not clipped to white"


def test_animation_gives_its_first_frame(tmp_path: Path) -> None:
    red, blue = (PIL.Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    opened = open_image(saved(red, tmp_path / "a.gif", save_all=True, append_images=[blue]))
    assert opened.getpixel((3, 3)) == (255, 0, 0)


def test_wrong_extension_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    colours().save(path, format="png")
    assert open_image(Image("a", path)).size == (30, 40)


def test_exif_orientation_is_left_alone(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    assert open_image(saved(colours(), tmp_path / "a.jpg", exif=exif)).size == (30, 40)


def bomb() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def jpeg() -> bytes:
    buffer = io.BytesIO()
    colours().resize((300, 300)).save(buffer, format="jpeg")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"<html>not found</html>", "not a picture"),
        (jpeg()[:2000], "truncated picture"),
        (bomb(), "picture too large"),
    ],
    ids=["empty", "html", "truncated", "bomb"],
)
def test_what_is_no_picture_gives_a_reason(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(MediaError) as caught:
        open_image(Image("a", path))
    assert caught.value.reason == reason
    assert str(path) in caught.value.detail


def test_absent_file_gives_a_reason(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="file not found"):
        open_image(Image("a", tmp_path / "a.jpg"))
