"""LLaVA-format JSON, packs and batches, and the tokenizer that reads them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from models.llava.model import IGNORE, IMAGE
from models.llava.training.data import batches, collate, packs_of, read_records
from models.llava.training.tiny import encoders
from models.llava.training.tokenizer import PHRASES, build_tokenizer
from tasks.samples.training import write

TOKENIZER = build_tokenizer(["What color is the star?", f"red blue {PHRASES[0]}"])


def _record(name: str, *turns: str, **media: str) -> dict[str, Any]:
    talk = [{"from": ("human", "gpt")[index % 2], "value": turn} for index, turn in enumerate(turns)]
    return {"id": name, **media, "conversations": talk}


def _file(folder: Path, *records: dict[str, Any]) -> Path:
    path = folder / "data.json"
    path.write_text(json.dumps(records))
    return path


def test_questions_about_one_picture_share_a_pack(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        _record("1", "<image>\nWhat color?", "red", "What shape?", "star", image="a.jpg"),
        _record("2", "<image>\nWhat color?", "blue", image="b.jpg"),
        _record("3", "<image>\nWhat?", "red", image="a.jpg"),
    )
    packs = packs_of(read_records(path), *encoders(TOKENIZER), size=2)
    assert [(pack.medium, len(pack.examples)) for pack in packs] == [("a.jpg", 2), ("a.jpg", 1), ("b.jpg", 1)]


def test_a_record_out_of_turn_is_named(tmp_path: Path) -> None:
    path = _file(tmp_path, _record("good", "q", "a"), _record("bad", "q", "a", "q"))
    with pytest.raises(ValueError, match="'bad'"):
        read_records(path)


def test_labels_are_answers_and_their_end(tmp_path: Path) -> None:
    path = _file(tmp_path, _record("1", "<image>\nWhat color is the star?", "red", image="a.jpg"))
    (pack,) = packs_of(read_records(path), *encoders(TOKENIZER), size=2)
    batch = collate([pack], pad=0)
    ids, labels = batch["input_ids"][0, 0], batch["labels"][0, 0]
    assert ids[:2].tolist() == [TOKENIZER.bos_token_id, IMAGE]
    assert TOKENIZER.convert_ids_to_tokens(labels[labels != IGNORE]) == ["red", "</s>"]
    assert torch.equal(ids[labels != IGNORE], labels[labels != IGNORE])


def test_batches_hold_like_packs_and_few_packs_make_small_ones(tmp_path: Path) -> None:
    records = [_record(str(n), "<image>\nWhat color?", "red", image=f"{n}.jpg") for n in range(5)]
    records += [_record(f"v{n}", "<image>\nWhat color?", "red", video=f"{n}.mp4") for n in range(5)]
    packs = packs_of(read_records(_file(tmp_path, *records)), *encoders(TOKENIZER), size=2)
    for batch in batches(packs, 2, 20, seed=0):
        assert len({(pack.medium or "").rpartition(".")[2] for pack in batch}) == 1
    assert batches(packs[:1], 2, 2, seed=0) == [packs[:1]] * 2
    with pytest.raises(ValueError, match="no packs"):
        batches([], 2, 1, seed=0)


def test_instructions_are_one_token_and_unknown_words_are_spelled() -> None:
    assert len(TOKENIZER(PHRASES[0]).input_ids) == 2  # with the start token
    assert TOKENIZER.tokenize("kite") == ["k", "##i", "##t", "##e"]
    assert TOKENIZER.unk_token_id not in TOKENIZER("Ärger (C) is 12.5% of it!", add_special_tokens=False).input_ids[1:]
    assert TOKENIZER.pad_token_id == 0  # LLaVA-Mini hides id 0 from pre-fusion


def test_written_data_names_files_that_exist(tmp_path: Path) -> None:
    write(tmp_path, images=3, easy_images=3, videos=1, workers=1)
    for stage in ("stage1", "stage2"):
        records = read_records(tmp_path / f"{stage}.json")
        assert records
        for record in records:
            assert (tmp_path / (record.get("image") or record["video"])).stat().st_size > 0
            assert record["conversations"][0]["value"].startswith("<image>")
