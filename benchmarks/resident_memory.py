"""Memory of a process that watches a long video: 3,600 frames against 100, decoded and read by a shipped model.

    python -m benchmarks.resident_memory

prints one JSON document: the most resident memory of each, in processes of their own, and by how much it grew beyond
the language model's own keys and values.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import numpy as np

from benchmarks.bars import bar

FRAMES, SIDE, QUESTIONS = (100, 3600), 96, 4
MODEL = "llava-mini-tiny"
ALLOWED_MIB = 30


def write_video(path: Path, frames: int) -> None:
    """H.264 at one frame a second; a square wanders over noise."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        for index in range(frames):
            picture = rng.integers(0, 40, (SIDE, SIDE, 3), np.uint8)
            at = index % (SIDE - 16)
            picture[at : at + 16, at : at + 16] = (200, 30, 30)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def watch(path: Path) -> dict[str, float]:
    """Answers questions about one video; peak memory of this process, and the language model's cache, in MiB."""
    from harness import load_model
    from harness.model import ReadyGroup
    from harness.types import FramePolicy, Group, Request, Video

    model = load_model(MODEL)
    policy, video = FramePolicy(), Video("long", path)
    texts = ("What color is it?", "What shape is it?", "How many objects are there?", "What moves?")
    group = Group(video, tuple(Request(str(index), text, 4, policy) for index, text in enumerate(texts[:QUESTIONS])))
    (first, *_) = list(model.respond([ReadyGroup(group, model.preparer()(video, policy))]))
    llama = model.model.lm.config
    width = llama.num_key_value_heads * (llama.hidden_size // llama.num_attention_heads)
    cache = 2 * llama.num_hidden_layers * width * 4 * (first.vision_tokens + first.text_tokens)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"frames": first.frames, "peak_mib": round(peak, 1), "cache_mib": round(cache / 2**20, 2)}


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for frames in FRAMES:
            path = Path(folder) / f"{frames}.mp4"
            write_video(path, frames)
            command = [sys.executable, "-m", "benchmarks.resident_memory", "--watch", str(path)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            rows.append(json.loads(done.stdout))
    few, many = rows
    grown = many["peak_mib"] - few["peak_mib"] - (many["cache_mib"] - few["cache_mib"])
    bars = [bar("growth from 100 to 3,600 frames beyond the cache", grown, "MiB", most=ALLOWED_MIB)]
    print(json.dumps({"model": MODEL, "rows": rows, "bars": bars}, indent=2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--watch", type=Path, help=argparse.SUPPRESS)
    if (args := parser.parse_args()).watch:
        print(json.dumps(watch(args.watch)))
    else:
        main()
