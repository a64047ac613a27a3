"""A LLaVA-family model small enough for any test, with random weights that matter to its answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import CLIPVisionConfig, CLIPVisionModel, PreTrainedTokenizerFast

from models.llava.checkpoint import build, save
from models.llava.config import parse_config
from models.llava.model import LlavaModel
from models.llava.tower import ClipTower

SIDE, PATCH = 28, 7
GRID = SIDE // PATCH


def raw_config(**changes: Any) -> dict[str, Any]:
    """The public config.json of a tiny LLaVA-Mini; `compressor_size=None` makes it LLaVA-1.5."""
    raw = {
        "model_type": "llava_mini_llama",
        "vocab_size": 64,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "mm_vision_tower": "vision_tower",
        "mm_hidden_size": 16,
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2,
        "compressor_size": 1,
        "prefusion_layer_num": 2,
        **changes,
    }
    if raw["compressor_size"] is None:
        raw |= {"model_type": "llava_llama"}
        del raw["compressor_size"], raw["prefusion_layer_num"]
    return raw


def tiny_tower() -> ClipTower:
    config = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=PATCH,
    )
    return ClipTower(CLIPVisionModel(config).eval())


def tiny_model(seed: int = 0, **changes: Any) -> LlavaModel:
    """A fresh model in evaluation mode. Weights are scaled up, so that pictures and words change the logits."""
    torch.manual_seed(seed)
    model = build(parse_config(raw_config(**changes), "tiny"), tiny_tower())
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(3)
    return model.eval()


def questions(*lengths: int, seed: int = 1) -> torch.Tensor:
    """Right-padded (id 0) prompts [B, T]: BOS, placeholder, then words."""
    generator = torch.Generator().manual_seed(seed)
    rows = [
        torch.cat([torch.tensor([1, -200]), torch.randint(3, 64, (length,), generator=generator)]) for length in lengths
    ]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


WORDS = ("what", "which", "color", "shape", "is", "the", "it", "red", "blue", "circle", "square", "?", ".", "a", "and")


def write_checkpoint(folder: Path, **changes: Any) -> Path:
    """A tiny model with a word tokenizer, in the public layout. It answers with words and, soon enough, ends."""
    from tokenizers import Tokenizer, pre_tokenizers, processors
    from tokenizers.models import WordLevel

    words = ("<pad>", "<s>", "</s>", "<unk>", *WORDS)
    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    save(tiny_model(vocab_size=len(words), **changes), folder)
    return folder
