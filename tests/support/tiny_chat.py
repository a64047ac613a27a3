"""A chat model small enough to make on the spot: random weights, a word tokenizer and a chat template."""

from __future__ import annotations

from pathlib import Path

CONTEXT = 64
PLAIN = (
    "{% for m in messages %}{{ m['role'] + ' : ' + m['content'] + ' ; ' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant :' }}{% endif %}"
)
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + PLAIN
WORDS = ("system", "user", "assistant", ":", ";", "yes", "no", "grade", "this", "be", "strict", "word")


def write_tiny_chat(folder: Path, template: str | None = PLAIN) -> Path:
    """Saves the model's files. It ends no reply by itself, so a reply is as long as it may be."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = {word: number for number, word in enumerate(["<unk>", "<end>", *WORDS])}
    raw = Tokenizer(WordLevel(words, unk_token="<unk>"))
    raw.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>", eos_token="<end>")
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(words), max_position_embeddings=CONTEXT, eos_token_id=None, **sizes)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
