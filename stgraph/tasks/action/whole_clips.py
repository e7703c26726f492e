"""Clips of poses in memory, sampled as `Clips` samples a dataset's: for exported files, `recognise` and `Live`."""

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from stgraph.tasks.action.normalisation import opening
from stgraph.tasks.action.sample import Sample, observed, seen_joints
from stgraph.tasks.action.sampling import sample_frames, with_next
from stgraph.tasks.action.settings import ClipSettings


def sample_clips(
    pose: Float[Tensor, "b m t j 3"], size: Float[Tensor, "b 2"], frames: int, settings: ClipSettings, root: int
) -> Sample:
    """The frames of whole clips that a recogniser sees, with all their persons.

    Args:
        pose: pixels and confidence, or metres; zero or not finite where a joint is not seen or a person is absent.
        size: width and height of the images, pixels.
        frames: to take of each clip.
        settings: sampling, and what else says where a clip begins.
        root: of the skeleton.
    """
    clips, persons = pose.shape[:2]
    clip = torch.arange(clips, device=pose.device)[:, None].expand(clips, persons).flatten()
    whole, seen = observed(rearrange(pose, "b m t j c -> (b m) t j c"), settings, root)
    present, first = rearrange(seen.any(-1), "(b m) t -> b m t", b=clips), None
    pose = rearrange(whole, "(b m) t j c -> b m t j c", b=clips)
    if settings.by_opening:
        order = lead_first(present)
        pose = pose.gather(1, order[..., None, None, None].expand(pose.shape))
        present = present.gather(1, order[..., None].expand(present.shape))
        whole, seen = observed(rearrange(pose, "b m t j c -> (b m) t j c"), settings, root)
        first = opening(whole, seen, clip, clips)
    kept = clip_frames(present, settings)
    length = kept.sum(1, keepdim=True)
    frame = sample_frames(length, frames, settings.sampling)
    frame = with_next(frame, length) if settings.moves else frame
    place = numbered(kept, frame)[:, None, :, None, None].expand(-1, persons, -1, *pose.shape[3:])
    taken = torch.where((frame >= 0)[:, None, :, None, None], pose.gather(2, place), 0)
    taken = rearrange(taken, "b m t j c -> (b m) t j c")  # with zeros where joints are not seen, as the whole clip has
    return Sample(
        taken, seen_joints(taken, settings, root), clip, person=torch.zeros_like(clip), size=size, first=first
    )


def clip_frames(present: Bool[Tensor, "b m t"], settings: ClipSettings) -> Bool[Tensor, "b t"]:
    """The frames that a clip is made of, as in a dataset; see `Clips`, and "pyskl" of `ClipSettings.normalise`.

    Args:
        present: which persons are there.
    """
    if settings.by_opening:
        return (present & (existing(present) == 1)[..., None]).any(1)
    some = present.any(1)
    until = some.cumsum(1)  # frames with a person up to each
    kept = until - some.long() < until[:, -1:]
    return kept & (until > 0) if settings.sampling == "uniform" else kept


def existing(present: Bool[Tensor, "b m t"]) -> Int[Tensor, "b m"]:
    """Number of each person among those who are in any frame, from 1; 0 for the others."""
    there = present.any(2).long()
    return there.cumsum(1) * there


def lead_first(present: Bool[Tensor, "b m t"]) -> Int[Tensor, "b m"]:
    """Order of the persons in which the first two change places where the second is in more frames."""
    number, count = existing(present), present.sum(2)
    one, two = number == 1, number == 2
    change = ((count * two).sum(1, keepdim=True) > (count * one).sum(1, keepdim=True)) & (one | two)
    person = torch.arange(present.shape[1], device=present.device).expand(number.shape)
    place_one, place_two = ((person * where).sum(1, keepdim=True) for where in (one, two))
    return torch.where(change, place_one + place_two - person, person)


def numbered(kept: Bool[Tensor, "b t"], frame: Int[Tensor, "b n"]) -> Int[Tensor, "b n"]:
    """The places of frames that count the kept ones alone; any place for those that are not there."""
    place = (kept.cumsum(1)[:, None] <= frame[..., None]).sum(-1)
    return place.clamp(max=kept.shape[1] - 1)
