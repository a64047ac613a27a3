"""A word-level tokenizer: one id a word of the training data, letters for any other word.

The benchmarks' instructions and each option mark "(A)" are one token as well: they are the same in every question,
and short prompts train faster. Token 0 is padding, because LLaVA-Mini hides id 0 from pre-fusion.
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from pathlib import Path

from transformers import PreTrainedTokenizerFast

Tokenizer = PreTrainedTokenizerFast
PAD, BOS, EOS, UNK = SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
PHRASES = (
    "Answer the question using a single word or phrase.",
    "Answer with one letter.",
    "Answer with the option's letter from the given choices directly.",
    "When the provided information is insufficient, respond with 'Unanswerable'.",
)
_LETTERS = string.ascii_letters + string.digits + string.punctuation


def build_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """A fast tokenizer that knows the words of `texts`; texts begin with BOS, white space is not kept.

    An unknown word becomes its characters ("kite" -> "k", "##i", "##t", "##e"); only a character outside ASCII is UNK.
    """
    import tokenizers
    from tokenizers import Regex, decoders, pre_tokenizers, processors
    from tokenizers.models import WordPiece

    pattern = "|".join([*(phrase.replace(".", r"\.") for phrase in PHRASES), r"\([A-Z]\)", r"\w+", r"[^\w\s]"])
    split = pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True)
    words = {piece for text in set(texts) for piece, _ in split.pre_tokenize_str(text)}
    entries = [*SPECIAL, *sorted(words | set(_LETTERS)), *(f"##{letter}" for letter in _LETTERS)]
    vocabulary = {word: index for index, word in enumerate(entries)}
    tokenizer = tokenizers.Tokenizer(WordPiece(vocabulary, unk_token=UNK))
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(f"{BOS} $A", special_tokens=[(BOS, vocabulary[BOS])])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, unk_token=UNK, pad_token=PAD
    )


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer saved in a folder."""
    return PreTrainedTokenizerFast.from_pretrained(folder)
