"""Human3.6M in all of its layouts: source, terms, frame rate and the published names of its takes."""

import re

FPS = 50.0
SOURCE = "Human3.6M (Ionescu et al. 2014)"
TERMS = "Human3.6M licence: academic use by registered users only; neither the data nor this file may be passed on"
RENAMED = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}


def renamed(take: str) -> str:
    """A take under its published name: the official files call two actions otherwise.

    >>> renamed("WalkingDog 1")
    'WalkDog 1'
    """
    for official, published in RENAMED.items():
        take = re.sub(rf"^{official}\b", published, take)
    return take


def action_of(take: str) -> str:
    """The take without its number.

    >>> action_of("Walking 1")
    'Walking'
    """
    return re.sub(r" \d+$", "", take)
