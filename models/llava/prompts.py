"""Conversation templates and tokenisation around the image placeholder.

The texts are the published ones of LLaVA and LLaVA-Mini: a checkpoint answers well only in the template it was tuned
with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import UnknownName

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IMAGE_TEXT = "<image>"
NAMED_PLACE = "<image-placeholder>"
IMAGE = -200
IGNORE = -100

Turns = Sequence[str | None]
"""User and assistant texts in turn; a last None is the assistant's open turn."""

_HELPFUL = (
    "You are a helpful language and vision assistant. You are able to understand the visual content that the user "
    "provides, and assist the user with a variety of tasks using natural language."
)
_CHAT = (
    "A chat between a curious {who} and an artificial intelligence assistant. The assistant gives helpful, "
    "detailed, and "
    "polite answers to the {who}'s questions."
)
_VIDEO = (
    "You are Video-ChatGPT, a large vision-language assistant. You are able to understand the video content that the "
    "user provides, and assist the user with a variety of tasks using natural language. Follow the instructions "
    "carefully and explain your answers in detail based on the provided video."
)
_MOVIE = (
    "Below is a movie. Memorize the content and answer my question after watching this movie.\n"
    f"{IMAGE_TEXT}\nNow the movie end.\n{{question}}"
)
_VOCO = "<voco>"
_VIDEO_WORDS = _PATCH, _START, _END = "<vid_patch>", "<vid_start>", "<vid_end>"
_HONEST = "A conversation between a user and an LLM-based AI assistant. The assistant gives helpful and honest answers."


@dataclass(frozen=True, slots=True)
class Conversation:
    """A template. `render(turns, tokenizer)` gives the prompt; `stop` ends an answer and is cut from it.

    `video_stop`: a further such text, which the released code looks for in answers about videos only. `turn`: where the
    medium stands in the user's text. `words`: what the template adds to the vocabulary, in the order of their ids.
    """

    name: str
    render: Callable[[Turns, PreTrainedTokenizerBase | None], str]
    stop: str | None = None
    video_stop: str | None = None
    turn: str = f"{IMAGE_TEXT}\n{{question}}"
    words: tuple[str, ...] = ()


def _two_separators(system: str, user: str = "USER", assistant: str = "ASSISTANT") -> Callable[..., str]:
    """Vicuna: 'SYSTEM USER: question ASSISTANT: answer</s>USER: ..'."""

    def render(turns: Turns, tokenizer: PreTrainedTokenizerBase | None = None) -> str:
        text = system + " "
        for index, turn in enumerate(turns):
            role, separator = ((user, " "), (assistant, "</s>"))[index % 2]
            text += f"{role}:" if turn is None else f"{role}: {turn}{separator}"
        return text

    return render


def _voco(tokens: int) -> Callable[..., str]:
    """VoCo-LLaMA: the picture and its tokens before the conversation, from which every line break is taken."""
    chat = _two_separators(_CHAT.format(who="user").replace("assistant.", "assistant of the image.", 1))

    def render(turns: Turns, tokenizer: PreTrainedTokenizerBase | None = None) -> str:
        text = chat(turns)
        if IMAGE_TEXT not in text:
            return text
        one_line = _without(text, "\n", IMAGE_TEXT, _VOCO)
        return f"{IMAGE_TEXT}\n{_VOCO * tokens}\n{one_line}"

    return render


def _plain(turns: Turns, tokenizer: PreTrainedTokenizerBase | None = None) -> str:
    """Pre-training: the texts, a line each."""
    return "".join(f"{turn}\n" for turn in turns if turn is not None)


def _bare(turns: Turns, tokenizer: PreTrainedTokenizerBase | None = None) -> str:
    """The tiny models: nothing but the texts. Their tokenizer keeps no white space."""
    return " ".join(turn for turn in turns if turn is not None)


def _llama_2(turns: Turns, tokenizer: PreTrainedTokenizerBase | None = None) -> str:
    """Llama 2: instructions in [INST], the system text inside the first."""
    text = ""
    for index, turn in enumerate(turns):
        if turn is None:
            continue
        if index % 2:
            text += f" {turn} </s>"
        elif index:
            text += f"<s>[INST] {turn} [/INST]"
        else:
            text += f"[INST] <<SYS>>\n{_HELPFUL}\n<</SYS>>\n\n{turn} [/INST]"
    return text


def _headed(system: str, opening: str, end: str, begin: str = "") -> Callable[..., str]:
    """Every text between a header that names its role and an end mark; a prompt ends with the assistant's header."""

    def render(turns: Turns, tokenizer: PreTrainedTokenizerBase | None = None) -> str:
        text = begin + opening.format("system") + system + end
        for index, turn in enumerate(turns):
            text += opening.format(("user", "assistant")[index % 2]) + ("" if turn is None else turn + end)
        return text

    return render


def _llama_3_1(turns: Turns, tokenizer: PreTrainedTokenizerBase | None = None) -> str:
    """The checkpoint tokenizer's own chat template, without an added generation prompt, as released."""
    if tokenizer is None:
        raise ValueError("the llava_llama_3_1 template needs the checkpoint's tokenizer")
    messages = [{"role": "system", "content": _HELPFUL}]
    for index, turn in enumerate(turns):
        if turn is not None:
            messages.append({"role": ("user", "assistant")[index % 2], "content": turn})
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=False))


_CHATML = ("<|im_start|>{}\n", "<|im_end|>")
_LLAMA_3 = _headed(_HELPFUL, "<|start_header_id|>{}<|end_header_id|>\n\n", "<|eot_id|>", begin="<|begin_of_text|>")
_VICUNA = _two_separators(_CHAT.format(who="user"))
CONVERSATIONS: Mapping[str, Conversation] = {
    template.name: template
    for template in (
        Conversation("llava_llama_3_1", _llama_3_1, "<|eot_id|>", video_stop="###"),
        Conversation("llava_llama_3", _LLAMA_3, "<|eot_id|>"),
        Conversation("llava_llama_2", _llama_2, "</s>"),
        Conversation("v1", _VICUNA, "</s>"),
        Conversation("vicuna_v1", _VICUNA, "</s>"),
        Conversation("llava_v1", _two_separators(_CHAT.format(who="human")), "</s>"),
        Conversation("mpt", _headed(_HONEST, *_CHATML), "<|im_end|>"),
        Conversation("chatml_direct", _headed("Answer the questions.", *_CHATML), "<|im_end|>"),
        Conversation(
            "video_chatgpt",
            _two_separators(_VIDEO),
            "</s>",
            turn=f"{{question}}\n{_START}{IMAGE_TEXT}{_END}",
            words=_VIDEO_WORDS,
        ),
        Conversation("movie", _VICUNA, "</s>", turn=_MOVIE),
        Conversation("voco_1", _voco(1), "</s>", words=(_VOCO,)),
        Conversation("voco_2", _voco(2), "</s>", words=(_VOCO,)),
        Conversation("plain", _plain),
        Conversation("bare", _bare),
    )
}


def conversation(name: str) -> Conversation:
    """A template by name. Raises UnknownName."""
    if name not in CONVERSATIONS:
        raise UnknownName("conversation template", name, CONVERSATIONS)
    return CONVERSATIONS[name]


def user_turn(question: str, has_medium: bool, turn: str = f"{IMAGE_TEXT}\n{{question}}") -> str:
    """The user's text with the placeholder as `turn` has it, or where `<image-placeholder>` stands.

    A question that spells `<image>` itself loses that word: it would count as a second picture.
    """
    parts = [_without(part, IMAGE_TEXT) for part in question.split(NAMED_PLACE, 1)]
    if not has_medium:
        return _without("".join(parts), IMAGE_TEXT)
    return IMAGE_TEXT.join(parts) if len(parts) > 1 else turn.replace("{question}", parts[0])


def _without(text: str, *words: str) -> str:
    while any(word in text for word in words):
        for word in words:
            text = text.replace(word, "")
    return text


def tokenize(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids of a rendered prompt with IMAGE in each placeholder's place; one BOS where the tokenizer adds one.

    Llama-3 prompts begin with BOS BOS (the template's and the tokenizer's), as in the released evaluation.
    """
    chunks = [list(tokenizer(chunk).input_ids) for chunk in text.split(IMAGE_TEXT)]
    bos = chunks[0][:1] == [tokenizer.bos_token_id]
    ids = chunks[0]
    for chunk in chunks[1:]:
        ids += [IMAGE, *(chunk[1:] if bos else chunk)]
    return ids


def prompt_ids(
    question: str, has_medium: bool, template: Conversation, tokenizer: PreTrainedTokenizerBase
) -> list[int]:
    """Ids of a single question in a template, ready for generation."""
    return tokenize(template.render((user_turn(question, has_medium, template.turn), None), tokenizer), tokenizer)


def training_ids(
    turns: Sequence[str], template: Conversation, tokenizer: PreTrainedTokenizerBase
) -> tuple[list[int], list[int]]:
    """Ids and labels of a finished conversation: answers with their end token are trained, all else is IGNORE.

    As released: one BOS, and for `plain` the prompt is the placeholder alone. A trailing assistant header that the chat
    template adds is not trained.
    """
    if template.name == "plain":
        turns = (IMAGE_TEXT, f"{turns[1]}\n")
        template = Conversation("caption", lambda turns, _: "".join(turn or "" for turn in turns))
    ids = _without_second_bos(tokenize(template.render(turns, tokenizer), tokenizer), tokenizer)
    labels = [IGNORE] * len(ids)
    for answer in range(1, len(turns), 2):
        opened = template.render((*turns[:answer], None), tokenizer)
        start = len(_without_second_bos(tokenize(opened, tokenizer), tokenizer))
        closed = template.render(turns[: answer + 1], tokenizer)
        end = len(_without_second_bos(tokenize(closed, tokenizer), tokenizer)) - _trailing_header(template, tokenizer)
        labels[start:end] = ids[start:end]
    return ids, labels


def _trailing_header(template: Conversation, tokenizer: PreTrainedTokenizerBase) -> int:
    """Tokens of the assistant header that a chat template adds after a finished answer."""
    if template.name != "llava_llama_3_1":
        return 0
    open_turn, closed = (template.render(turns, tokenizer) for turns in (("q", None), ("q", "a")))
    header = open_turn[open_turn.rindex("q<|eot_id|>") + len("q<|eot_id|>") :]
    return len(tokenizer(header, add_special_tokens=False).input_ids) if closed.endswith(header) else 0


def _without_second_bos(ids: list[int], tokenizer: PreTrainedTokenizerBase) -> list[int]:
    return ids[1:] if ids[:2] == [tokenizer.bos_token_id] * 2 else ids
