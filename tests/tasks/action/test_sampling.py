"""Frames of clips: exactly where the parts say, alike for numbers and tensors."""

from fractions import Fraction

import pytest
import torch

from stgraph.tasks.action.sampling import draw_frames, sample_frames, with_next


@pytest.mark.parametrize("views", [1, 3, 10])
def test_frames_lie_exactly_at_their_place_in_each_part(views):
    length = torch.arange(1, 80)[:, None]
    for view in range(views):
        place = Fraction(2 * view + 1, 2 * views)
        spread = sample_frames(length, 12, "uniform", view=view, views=views)
        crop = sample_frames(length, 12, "crop", view=view, views=views)
        for frames in length.flatten().tolist():
            expected = [int((step + place) * frames / 12) for step in range(12)]
            assert spread[frames - 1].tolist() == expected
            first = int(place * (frames - 12 + 1)) if frames > 12 else 0
            inside = [first + step if first + step < frames else -1 for step in range(12)]
            assert crop[frames - 1].tolist() == inside


@pytest.mark.parametrize("sampling", ["uniform", "crop", "start"])
def test_a_number_and_a_tensor_give_the_same_frames(sampling):
    for length in (1, 7, 12, 40):
        each = sample_frames(length, 12, sampling)
        batch = sample_frames(torch.tensor([[length]]), 12, sampling)
        assert torch.equal(batch[0], each)
        assert torch.equal(with_next(batch, torch.tensor([[length]]))[0], with_next(each, length))


def test_the_next_frame_of_the_last_is_itself_and_of_none_is_none():
    assert with_next(torch.tensor([0, 4, -1]), 5).tolist() == [0, 4, -1, 1, 4, -1]


def test_random_frames_stay_inside_the_clip():
    torch.manual_seed(0)
    length = torch.tensor([[3], [12], [40]]).repeat(50, 1)
    for sampling in ("uniform", "crop", "start"):
        frame = draw_frames(length, 12, sampling, shortest=0.5)
        assert (frame >= -1).all() and (frame < length).all() and (frame.amax(1) >= 0).all()
