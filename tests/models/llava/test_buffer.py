"""Visual tokens are kept in order, as copies, in one block."""

from __future__ import annotations

import pytest
import torch

from models.llava.buffer import FIRST, TokenBuffer


def test_tokens_come_back_in_order_however_many_a_picture_has() -> None:
    buffer, added = TokenBuffer(), []
    for number in range(3 * FIRST):
        added.append(torch.full((1 + number % 3, 4), float(number)))
        buffer.add(added[-1])
        assert torch.equal(buffer.tokens(), torch.cat(added))
    assert buffer.pictures == 3 * FIRST


def test_what_is_kept_is_a_copy_without_the_activation_it_came_from() -> None:
    buffer, activation = TokenBuffer(), torch.ones(10_000, 4)
    buffer.add(activation[:2])
    activation.zero_()
    assert buffer.tokens().sum() == 8
    assert buffer.tokens().untyped_storage().nbytes() < activation.untyped_storage().nbytes()


def test_a_buffer_without_pictures_has_no_tokens() -> None:
    with pytest.raises(ValueError, match="no picture"):
        TokenBuffer().tokens()
