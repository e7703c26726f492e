"""Names of joints: one spelling for all the ways that files write them."""

import re
from collections.abc import Sequence

# Other names of the same joint, by their spelling.
ALIASES = {
    **dict.fromkeys(("midhip", "hips", "pelvis", "root", "hipcenter", "hipcentre", "centerhip", "spinebase"), "hip"),
    **{"spinemid": "spine", "spineshoulder": "thorax", "mouthleft": "lmouth", "mouthright": "rmouth"},
    **{"upperneck": "headbottom", "tophead": "headtop", "topofhead": "headtop"},
    **{f"{side}handroot": f"{side}wrist" for side in "lr"},
}


def spelling(joint: str) -> str:
    """A joint's name in one spelling.

    >>> {spelling(name) for name in ("LEye", "left_eye", "Left Eye", "l-eye", "eye.L", "EyeLeft")}
    {'leye'}
    """
    words = re.split(r"[\W_]+", joint.lower())
    side = next((word for word in words if word in ("left", "right", "l", "r")), "")
    if side and len(words) > 1:
        words.remove(side)
    else:
        whole = "".join(words)
        side = next((word for word in ("left", "right") if whole.startswith(word) or whole.endswith(word)), "")
        words = [whole.removeprefix(side) if whole.startswith(side) else whole.removesuffix(side)]
    return side[:1] + "".join(words)


def canonical(joint: str) -> str:
    """The spelling that all names of a joint share.

    >>> canonical("MidHip") == canonical("pelvis") == canonical("Hip")
    True
    """
    spelled = spelling(joint)
    return ALIASES.get(spelled, spelled)


def sides(joints: Sequence[str]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Indices of the left joints and of the right ones that mirror them, by their names.

    >>> sides(("nose", "left_eye", "right_eye"))
    ((1,), (2,))
    """
    places = {spelling(joint): place for place, joint in enumerate(joints)}
    pairs = [(places[name], places["r" + name[1:]]) for name in places if name[0:1] == "l" and "r" + name[1:] in places]
    return tuple(left for left, _ in pairs), tuple(right for _, right in pairs)


def natural(text: str) -> list[tuple[int, int, str]]:
    """A key that sorts names with numbers in them by these numbers.

    >>> sorted(["frame10", "frame9"], key=natural)
    ['frame9', 'frame10']
    """
    # Numbers may be so long that Python refuses to read them: they are compared by length and digits.
    parts = [
        (place % 2, part.lstrip("0") if place % 2 else part) for place, part in enumerate(re.split(r"(\d+)", text))
    ]
    return [(len(part) if number else 0, number, part) for number, part in parts]
