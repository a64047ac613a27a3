"""End to end against lmms-eval 0.7.3's own runner and `llava_hf` adapter: same weights, pictures and questions.

    PYTHON -m benchmarks.lmms_eval_runner [--images 6] [--repetitions 3]

PYTHON: an environment with lmms-eval and what it imports (loguru, pytz, evaluate, sacrebleu, tenacity, aiohttp) beside
this project's own packages; so it is no part of `make bench`. Prints one JSON document: samples a CPU second of both,
from loading the model to the last score, 32 GQA questions a picture; each repetition is a process of its own, by turns.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image

from benchmarks.bars import bar
from benchmarks.shapes import SHAPE, llava
from harness.types import Json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from models.llava.model import LlavaModel

QUESTIONS, NEW_TOKENS, BAR = 32, 4, 8.0
SUFFIX = "\nAnswer the question using a single word or phrase."
WORDS = 3000
TASK = """
task: gqa_bench
dataset_path: parquet
dataset_kwargs:
  data_files:
    test: {table}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.doc_to_visual
doc_to_text: !function utils.doc_to_text
doc_to_target: answer
generation_kwargs: {{max_new_tokens: {tokens}, temperature: 0, num_beams: 1, do_sample: false}}
metric_list:
  - {{metric: exact_match, aggregation: mean, higher_is_better: true}}
"""
UTILS = """
from io import BytesIO

from PIL import Image


def doc_to_visual(doc):
    return [Image.open(BytesIO(doc["image"]["bytes"])).convert("RGB")]


def doc_to_text(doc):
    return doc["question"] + {suffix!r}
"""
"""lmms-eval's description of the same questions."""


def make(root: Path, images: int) -> None:
    """One model in both layouts, and GQA-format questions as official files and as a parquet table."""
    import pandas

    from models.llava.checkpoint import save

    model = llava(mini=False)
    save(model, root / "ours")
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(root / "ours")
    _save_native(model, tokenizer, root / "native")
    rng = np.random.default_rng(0)
    pictures = root / "data" / "gqa" / "data" / "images"
    pictures.mkdir(parents=True)
    asked, annotations, table = [], {}, []
    for number in range(images):
        path = pictures / f"{number}.jpg"
        PIL.Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).resize((640, 480)).save(path)
        for at in range(QUESTIONS):
            key = f"{number:03}-{at:03}"
            text = " ".join(f"w{word}" for word in rng.integers(100, WORDS, 12)) + " ?"
            asked.append({"question_id": key, "image": path.name, "text": text + SUFFIX, "category": "default"})
            annotations[key] = {
                "question": text,
                "imageId": str(number),
                "answer": "w7",
                "isBalanced": True,
                "types": {"structural": "query", "semantic": "attr", "detailed": "x"},
                "groups": {"global": None, "local": "x"},
                "semantic": [],
            }
            table.append({"id": key, "question": text, "answer": "w7", "image": {"bytes": path.read_bytes()}})
    lines = "".join(json.dumps(one) + "\n" for one in asked)
    (root / "data" / "gqa" / "llava_gqa_testdev_balanced.jsonl").write_text(lines, encoding="utf-8")
    (root / "data" / "gqa" / "data" / "testdev_balanced_questions.json").write_text(json.dumps(annotations))
    pandas.DataFrame(table).to_parquet(root / "gqa.parquet")
    (root / "task").mkdir()
    (root / "task" / "gqa_bench.yaml").write_text(TASK.format(table=root / "gqa.parquet", tokens=NEW_TOKENS))
    (root / "task" / "utils.py").write_text(UTILS.format(suffix=SUFFIX))


def ours(root: Path, repetition: int) -> dict[str, str]:
    """Answers of this harness's whole run, by question."""
    from harness.data.sources import DataSource
    from harness.engine.config import RunConfig
    from harness.engine.run import evaluate
    from models import Preset
    from models.llava.loading import load

    config = RunConfig(
        "bench",
        ("gqa",),
        {"gqa": DataSource("folder", root / "data")},
        root / f"run{repetition}",
        max_new_tokens=NEW_TOKENS,
    )
    run = evaluate(config, model=load(Preset("bench", "", "", str(root / "ours"), "v1"), None, "cpu", None, "pyav"))
    return {entry["id"]: entry["text"] for entry in run.responses("gqa")}


def theirs(root: Path, _: int) -> dict[str, str]:
    """Answers of lmms-eval's `simple_evaluate`, by question."""
    import pandas
    from lmms_eval.evaluator import simple_evaluate
    from lmms_eval.tasks import TaskManager

    found = simple_evaluate(
        "llava_hf",
        model_args=f"pretrained={root / 'native'},device_map=cpu,dtype=float32,attn_implementation=sdpa",
        tasks=["gqa_bench"],
        batch_size=1,
        device="cpu",
        bootstrap_iters=0,
        task_manager=TaskManager(include_path=str(root / "task"), include_defaults=False),
        log_samples=True,
        force_simple=True,
    )
    keys = [str(key) for key in pandas.read_parquet(root / "gqa.parquet", columns=["id"])["id"]]
    return {keys[one["doc_id"]]: one["filtered_resps"][0].strip() for one in found["samples"]["gqa_bench"]}


def _tokenizer() -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, pre_tokenizers, processors
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    from models.llava.prompts import conversation

    prompt = re.findall(r"\w+|[^\w\s]+", conversation("v1").render((SUFFIX, None), None))
    words = ["<unk>", "<s>", "</s>", "<image>", *prompt, *(f"w{index}" for index in range(100, WORDS)), "?"]
    table = {word: index for index, word in enumerate(dict.fromkeys(words))}
    table |= {f"x{index}": index for index in range(len(table), 4000)}  # every id of the model is a word
    tokenizer = Tokenizer(WordLevel(table, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="</s>",
        additional_special_tokens=["<image>"],
    )


def _save_native(model: LlavaModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """The same weights as transformers' own LLaVA with its processor."""
    from transformers import CLIPImageProcessor, LlamaConfig, LlavaForConditionalGeneration, LlavaProcessor
    from transformers import LlavaConfig as NativeConfig

    clip = {key: value for key, value in model.tower.clip.config.to_dict().items() if key != "dtype"}
    native = LlavaForConditionalGeneration(
        NativeConfig(
            vision_config={**clip, "model_type": "clip_vision_model"},
            text_config=LlamaConfig(**model.config.llama),
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
            vision_feature_layer=-2,
            projector_hidden_act="gelu",
        )
    ).eval()
    native.model.vision_tower.load_state_dict(model.tower.clip.state_dict())
    native.model.language_model.load_state_dict(model.lm.model.state_dict())
    native.lm_head.load_state_dict(model.lm.lm_head.state_dict())
    native.model.multi_modal_projector.linear_1.load_state_dict(model.reducer.projector[0].state_dict())
    native.model.multi_modal_projector.linear_2.load_state_dict(model.reducer.projector[2].state_dict())
    native.save_pretrained(folder)
    side = model.tower.processor.crop
    LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side}),
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    ).save_pretrained(folder)


def timed(side: str, root: Path, repetition: int) -> dict[str, Json]:
    """One run: CPU and wall seconds, children's included, and the answers. Imports are not counted."""
    import torch

    torch.set_num_threads(1)
    import_module("transformers")
    if side == "theirs":
        for module in ("lmms_eval.evaluator", "lmms_eval.models.simple.llava_hf"):
            import_module(module)
    started, wall = time.process_time(), time.perf_counter()
    answers = {"ours": ours, "theirs": theirs}[side](root, repetition)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = time.process_time() - started + children.ru_utime + children.ru_stime
    return {"cpu_s": cpu, "wall_s": time.perf_counter() - wall, "answers": answers}


def main(images: int, repetitions: int) -> dict[str, Json]:
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), images)
        runs: dict[str, list[dict[str, Json]]] = {"ours": [], "theirs": []}
        for repetition in range(repetitions):
            for side, made in runs.items():
                out = Path(folder) / "result.json"
                command = [sys.executable, "-m", "benchmarks.lmms_eval_runner"]
                subprocess.run(
                    [*command, "--side", side, "--root", folder, "--repetition", str(repetition), "--out", str(out)],
                    check=True,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={
                        **os.environ,
                        "OMP_NUM_THREADS": "1",
                        "HF_HUB_OFFLINE": "1",
                        "TOKENIZERS_PARALLELISM": "false",
                    },
                )
                made.append(json.loads(out.read_text(encoding="utf-8")))
    cpu = {side: sorted(one["cpu_s"] for one in made)[repetitions // 2] for side, made in runs.items()}
    first = {side: made[0].pop("answers") for side, made in runs.items()}
    equal = sum(first["ours"][key] == text for key, text in first["theirs"].items()) / len(first["theirs"])
    count = images * QUESTIONS
    bars = [
        bar(f"LLaVA-1.5, {QUESTIONS} questions a picture, end to end", cpu["theirs"] / cpu["ours"], "times", least=BAR),
        bar("the same answers", 100 * equal, "%", least=100),
    ]
    details = {
        "samples": count,
        "samples_per_cpu_second": {side: round(count / seconds, 2) for side, seconds in cpu.items()},
        "cpu_s": {side: [round(one["cpu_s"], 2) for one in made] for side, made in runs.items()},
        "wall_s": {side: [round(one["wall_s"], 2) for one in made] for side, made in runs.items()},
        "distinct_answers": len(set(first["ours"].values())),
    }
    return {"shape": SHAPE, **details, "bars": bars}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=6)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--repetition", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        args.out.write_text(json.dumps(timed(args.side, args.root, args.repetition)), encoding="utf-8")
    else:
        print(json.dumps(main(args.images, args.repetitions), indent=2))
