"""Visual tokens are kept in order, as copies, in one block without slack."""

from __future__ import annotations

import pytest
import torch

from models.llava.buffer import TokenBuffer


def test_tokens_come_back_in_order_however_many_a_picture_has() -> None:
    buffer, added = TokenBuffer(), []
    for number in range(20):
        some = [torch.full((1 + picture % 3, 4), float(number + picture)) for picture in range(1 + number % 4)]
        added += some
        buffer.add(some)
        assert torch.equal(buffer.tokens(), torch.cat(added))
    assert buffer.pictures == len(added)


def test_what_is_kept_is_a_copy_without_the_activation_it_came_from() -> None:
    buffer, activation = TokenBuffer(), torch.ones(10_000, 4)
    buffer.add([activation[:2]])
    buffer.add(activation[None, 5:6])
    activation.zero_()
    assert buffer.tokens().sum() == 12
    assert buffer.tokens().untyped_storage().nbytes() == 3 * 4 * 4


def test_a_buffer_without_pictures_has_no_tokens() -> None:
    with pytest.raises(ValueError, match="no picture"):
        TokenBuffer().tokens()
