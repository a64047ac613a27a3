"""A judge that is a chat model in a local folder, run by transformers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.judge.contract import JudgeCard, Reply
from harness.judge.wire import failed
from harness.types import JudgeRequest, Missing

LONGEST_REPLY = 512
"""Tokens of a reply where the official request sets no bound."""


class TransformersJudge:
    """Greedy at temperature 0 and where the official script leaves it open, else sampled from a fixed seed.

    One request at a time: a judge's replies must not depend on what else was asked beside it.
    """

    def __init__(self, folder: Path, device: str | None = None) -> None:
        self.card = JudgeCard(f"transformers:{folder}", str(folder))
        self._folder, self._device = folder, device

    def replies(self, requests: Iterable[JudgeRequest]) -> Iterator[tuple[JudgeRequest, Reply | Missing]]:
        """In the order of the requests. Raises UserError if the folder holds no chat model."""
        for request in requests:
            yield request, self._replied(request)

    def _replied(self, request: JudgeRequest) -> Reply | Missing:
        import torch

        tokenizer, model = self._loaded
        ids = self._prompt(tokenizer, request.messages).to(model.device)
        room = model.config.get_text_config().max_position_embeddings - ids.shape[1]
        longest = min(request.max_tokens or LONGEST_REPLY, room)
        if longest < 1:
            return failed(f"the prompt's {ids.shape[1]:,} tokens fill the model's context")
        how: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        if request.temperature:
            how = {"do_sample": True, "temperature": request.temperature}
            torch.manual_seed(0)
        with torch.inference_mode():
            made = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=longest,
                pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id,
                **how,
            )[0, ids.shape[1] :]
        return Reply(tokenizer.decode(made, skip_special_tokens=True), self.card.model, ids.shape[1], len(made))

    def _prompt(self, tokenizer: Any, messages: tuple[tuple[str, str], ...]) -> Any:
        """Token ids [1, n] through the chat template; one that refuses a system role gets its text with the user's."""
        from jinja2 import TemplateError

        turns = [{"role": role, "content": text} for role, text in messages]
        how: dict[str, Any] = {"add_generation_prompt": True, "return_tensors": "pt", "return_dict": True}
        try:
            return tokenizer.apply_chat_template(turns, **how)["input_ids"]
        except TemplateError:
            system = "\n\n".join(text for role, text in messages if role == "system")
            first, *others = [turn for turn in turns if turn["role"] != "system"]
            folded = {**first, "content": f"{system}\n\n{first['content']}"}
            return tokenizer.apply_chat_template([folded, *others], **how)["input_ids"]

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        import torch
        from safetensors import SafetensorError
        from transformers import AutoModelForCausalLM, AutoTokenizer

        device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            tokenizer = AutoTokenizer.from_pretrained(self._folder, local_files_only=True)
            model: Any = AutoModelForCausalLM.from_pretrained(self._folder, local_files_only=True, dtype="auto")
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise UserError(
                f"--judge {self.card.spec}: the folder holds no chat model that transformers can load: {error}"
            ) from error
        if tokenizer.chat_template is None:
            raise UserError(
                f"--judge {self.card.spec}: the tokenizer has no chat template, so this is no chat model. Name an "
                "instruction-tuned one."
            )
        return tokenizer, model.to(device).eval()
