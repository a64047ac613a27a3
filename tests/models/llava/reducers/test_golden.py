"""Every reducer gives the published code's numbers."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import InstructBlipQFormerConfig, LlamaConfig, LlamaModel

from models.llava.reducers import Question
from models.llava.reducers.llama_vid import LlamaVid, published_key
from models.llava.reducers.mqt import Abstractor, positions
from models.llava.reducers.prumerge import reduce
from models.llava.reducers.tokenpacker import LEVELS, Packer
from models.llava.reducers.video_chatgpt import pool
from models.llava.reducers.voco import compressed, go_on, may_attend
from models.llava.tower import FeatureRequest
from tests.support.golden import golden_path
from tests.support.reducer_golden import Case, cases, close, tower

pytestmark = pytest.mark.golden
KINDS = {
    "prumerge", "prumerge_plus", "prumerge_e2e", "mqt", "tokenpacker", "tokenpacker_features", "llamavid", "voco_mask",
    "voco_llama", "videochatgpt",
}  # fmt: skip


def test_every_kind_of_case_is_looked_at() -> None:
    assert {meta["kind"] for meta in json.loads(golden_path("reducers", "index.json").read_text()).values()} <= KINDS


def test_prumerge() -> None:
    for case in cases("prumerge", "prumerge_plus"):
        hidden, q, k = (case.inputs[key] for key in ("hidden_penultimate", "q_last", "k_last"))
        plus = case.meta["kind"] == "prumerge_plus"
        indices, tokens = reduce(
            hidden[:, 1:], q, k, plus, None if case.meta["adaptive"] else case.meta["reduction_ratio"]
        )
        if "raises" in case.meta:  # the released code divides by zero; all becomes one token, as in PruMerge
            assert tokens.shape[1] == 1
            continue
        assert torch.equal(indices, case.expected["indices"]), case.name
        close(tokens, case.expected["tokens"])


def test_prumerge_from_pixels() -> None:
    for case in cases("prumerge_e2e"):
        layer = case.meta["select_layer"]
        features = tower(case)(case.inputs["pixel_values"], FeatureRequest((layer,), keep_class=True, last_qk=True))
        close(features.only(), case.expected["hidden_penultimate"])
        for name, plus in (("prumerge", False), ("prumerge_plus", True)):
            indices, tokens = reduce(features.only()[:, 1:], features.q, features.k, plus)
            assert torch.equal(indices, case.expected[f"{name}.indices"])
            close(tokens, case.expected[f"{name}.tokens"])


def _abstractor(case: Case) -> Abstractor:
    meta = case.meta
    module = Abstractor(meta["grid_size"], meta["kv_dim"], meta["num_heads"], meta["embed_dim"])
    case.fill(module)
    return module


@torch.no_grad()
def test_mqt() -> None:
    for case in cases("mqt"):
        module = _abstractor(case)
        for tokens in case.meta["num_visual_tokens"]:
            close(module(case.inputs["features"], tokens), case.expected[f"tokens.m{tokens}"])


def test_mqt_positions_are_made_as_they_were() -> None:
    for case in cases("mqt"):
        close(torch.from_numpy(positions(case.meta["grid_size"], case.meta["kv_dim"])), case.weights["pos_embed"])


@torch.no_grad()
def test_tokenpacker() -> None:
    for case in cases("tokenpacker"):
        module = case.fill(Packer(case.meta["dim"], case.meta["hidden_size"], case.meta["num_heads"]))
        tokens = module(case.inputs["features"], case.inputs["features_multi"], case.meta["scale_factor"])
        close(tokens, case.expected["tokens"])


def test_tokenpacker_features() -> None:
    for case in cases("tokenpacker_features"):
        assert tuple(case.meta["levels"]) == LEVELS
        hidden = tower(case)(case.inputs["pixel_values"], FeatureRequest(LEVELS)).hidden
        close(hidden[LEVELS[-1]], case.expected["features"])
        close(torch.cat([hidden[layer] for layer in LEVELS], dim=-1), case.expected["features_multi"])


@torch.no_grad()
def test_llama_vid() -> None:
    for case in cases("llamavid"):
        bert = dict(case.meta["bert"])
        settings = InstructBlipQFormerConfig(
            **{key: bert[key] for key in bert.keys() - {"cross_attention_freq", "encoder_width"}},
            cross_attention_frequency=bert["cross_attention_freq"],
            encoder_hidden_size=bert["encoder_width"],
        )
        module = LlamaVid(settings, case.meta["num_query"], case.meta["hidden_size"], case.meta["compress_type"])
        names = {f"model.{published_key(name)}": name for name, _ in module.named_parameters()}
        module.load_state_dict({names[key]: value for key, value in case.weights.items()}, strict=True)
        module.eval()
        frames = case.inputs["features_with_cls"]
        ids, mask = case.inputs["bert_input_ids"], case.inputs["bert_attention_mask"]
        question = Question(*(one.repeat_interleave(len(frames), 0) for one in (ids, mask)))
        prompts, frames = len(ids), frames.repeat(len(ids), 1, 1)
        close(module.queries(frames, question), case.expected["text_q"])
        tokens = module(frames, question)
        close(tokens, case.expected["tokens_per_frame"])
        close(tokens.unflatten(0, (prompts, -1)).flatten(1, 2), case.expected["tokens"])
        assert module.token_count(case.meta["patches"]) == tokens.shape[1]


def test_voco_mask() -> None:
    for case in cases("voco_mask"):
        for ids, expected in (("input_ids", "mask"), ("input_ids_no_voco", "mask_no_voco")):
            allowed = may_attend(case.inputs[ids] == case.meta["voco_token_id"])
            causal = torch.ones_like(allowed[0]).tril()
            assert torch.equal(allowed & causal, (case.expected[expected][:, 0] > 0) & causal)


@torch.no_grad()
def test_voco_llama_under_its_mask_and_with_all_but_its_tokens_dropped() -> None:
    for case in cases("voco_llama"):
        model = LlamaModel(LlamaConfig(**case.meta["config"]))
        case.fill(model, "model.")
        embeds, mask = case.inputs["inputs_embeds"], case.inputs["attention_mask"].bool()
        length = embeds.shape[1]
        spans = case.inputs["voco_positions"].tolist()
        is_voco = torch.zeros_like(mask)
        for row, (first, last) in enumerate(spans):
            is_voco[row, first : last + 1] = True
        allowed = may_attend(is_voco, mask)
        kept = mask[:, :, None] & torch.ones_like(allowed)
        assert torch.equal(allowed & kept, (case.expected["may_attend"][:, 0] > 0) & kept)
        allowed |= torch.eye(length, dtype=torch.bool)  # rows of padding must see something
        hidden = model(
            inputs_embeds=embeds, attention_mask=allowed[:, None], position_ids=torch.arange(length)[None]
        ).last_hidden_state
        close(hidden[mask], case.expected["last_hidden_state"][mask])
        for row, (first, last) in enumerate(spans):
            if not bool(mask[row].all()):
                continue  # positions of padding count in this case, and a prefix alone has none
            cache = compressed(model, embeds[row : row + 1, : last + 1], last - first + 1)
            assert cache.get_seq_length() == last - first + 1
            text = go_on(model, cache, embeds[row : row + 1, last + 1 :], last + 1)
            close(text[0], case.expected["last_hidden_state"][row, last + 1 :])


def test_video_chatgpt() -> None:
    for case in cases("videochatgpt"):
        for index, (frames, patches, _) in enumerate(case.meta["shapes"]):
            features = case.inputs[f"features.{index}"]
            assert features.shape[:2] == (frames, patches)
            close(pool(features).float(), case.expected[f"tokens.{index}"])
