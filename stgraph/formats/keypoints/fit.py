"""Which layout joints without names have: the one in whose order they are a body."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from stgraph.errors import InputError
from stgraph.formats.keypoints.body import misfit, rigid_places
from stgraph.formats.keypoints.layouts import LAYOUTS, layouts_of

# Residuals of `misfit` of names that are right, how much worse wrong ones are, and how much worse ones are that a
# format gives and the positions contradict.
FITS, WORSE, CONTRADICTED = 0.4, 1.25, 1.5
UNCLEAR = "layout"  # the kind of errors about it
ENOUGH = 8  # joints of the trunk and the head that decide by themselves


def remedy_of(count: int) -> str:
    """The option that names a layout of so many joints."""
    known = layouts_of(count)
    return f"say which layout it is by --layout {'|'.join(known) or 'FILE.json, which names the joints'}"


def layout_by_content(
    pose: Float[np.ndarray, "n j d"],
    seen: Bool[np.ndarray, "n j"],
    where: str,
    allowed: Sequence[str] = (),
    remedy: str = "",
) -> str:
    """Which layout joints without names have: the one in whose order their positions are a body.

    Args:
        pose: coordinates.
        seen: which of them count.
        where: the file, for messages.
        allowed: the layouts that a format has for so many joints. A single one is taken, unless another layout fits and
            it does not. By default all that are known are possible.
        remedy: what settles it; by default the option of the commands that read keypoints.

    Raises:
        InputError: no layout has so many joints, none fits, or several do.
    """
    count = pose.shape[1]
    possible, remedy = [*allowed] or layouts_of(count), remedy or remedy_of(count)
    if not possible:
        known = ", ".join(f"{name} ({len(names)})" for name, names in LAYOUTS.items())
        expected = f"a known layout: {known}"
        raise InputError(where=where, found=f"{count} joints", expected=expected, remedy=remedy, kind=UNCLEAR)
    fits = {name: misfit(pose, seen, LAYOUTS[name]) for name in {*possible, *layouts_of(count)}}
    if len(possible) == 1 and (allowed or np.isinf(fits[possible[0]])):
        return not_contradicted(possible[0], fits, where, remedy)
    fits = {name: fits[name] for name in possible}
    best = min(fits, key=fits.__getitem__)
    # Few joints fit many bodies: what they contradict must be measured as well.
    few = seen[:, rigid_places(LAYOUTS[best])].sum(axis=1).max(initial=0) < ENOUGH
    unclear = {name for name in fits if fits[name] < WORSE * fits[best] or (few and np.isinf(fits[name]))}
    alike = sorted(unclear - {best})
    if np.isinf(fits[best]):
        problem = f"{count} joints may be those of {' or '.join(fits)}, and too few of the trunk and the head are seen"
    elif fits[best] > FITS:
        problem = f"{count} joints, and in the order of {' or '.join(fits)} they are no body"
    elif alike:
        problem = f"{count} joints fit {' and '.join([best, *alike])} alike"
    else:
        return best
    raise InputError(problem, where=where, remedy=remedy, kind=UNCLEAR)


def contradiction(layout: str, pose: Float[np.ndarray, "n j d"], seen: Bool[np.ndarray, "n j"]) -> str:
    """The layout that positions have where they are not of the given one; "" where they may be."""
    return _better(layout, {name: misfit(pose, seen, LAYOUTS[name]) for name in layouts_of(pose.shape[1])})


def _better(layout: str, fits: Mapping[str, float]) -> str:
    best = min(fits, key=fits.__getitem__)
    # What cannot be measured counts as 1.
    fitting = fits[layout] <= FITS or CONTRADICTED * fits[best] >= min(fits[layout], 1)
    return "" if best == layout or fitting else best


def not_contradicted(layout: str, fits: Mapping[str, float], where: str, remedy: str) -> str:
    """The layout that a format has. Raises InputError where another fits the positions, and this one does not."""
    best = _better(layout, fits)
    if not best:
        return layout
    problem = f"the joints are {layout}'s by the format, but their positions are those of {best}"
    raise InputError(problem, where=where, remedy=remedy, kind=UNCLEAR)
