"""What the puppet does: curves over time from which every action is put together.

A `Take` draws one performance: where the body stands, walks or sits (`stand`, `walk`, `sit`), what the hands do
(`hands`), where the head looks. Everything that follows from the steps is derived from them: the pelvis sways over the
standing foot and turns with the leading one, the trunk turns against it and the arms swing with the trunk.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from jaxtyping import Float
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from data_prep.sources.synthetic.paths import Loop
from data_prep.sources.synthetic.puppet import OUTWARD, UP, Body, Movement, foot_roll, perform

Array = np.ndarray
Curve = Callable[[Array], Array]

# Arm poses by shoulder flexion, abduction, elbow bend and swivel, degrees. Names of PLACES may stand where these do.
POSES = {
    "hang": (4, 9, 18, 0),
    "low": (22, 10, 75, 10),
    "open": (24, 28, 70, 15),
    "offer": (42, 16, 62, 5),
    "stop": (60, 12, 85, 10),
    "point": (86, 8, 10, 0),
    "point wide": (72, 52, 12, 0),
    "point up": (128, 18, 14, 0),
    "point down": (48, 14, 14, 0),
    "wide": (8, 72, 14, 0),
    "up": (165, 14, 20, 10),
    "wave": (118, 42, 78, 25),
    "shake": (46, 2, 48, 0),
    "leash": (34, 6, 42, 0),
    "shelf": (120, 10, 24, 0),
    "pick": (74, 4, 14, 0),
}
BENT = np.radians(6)  # no elbow is straighter
SIDEWAYS = 1.5  # m/s2 in a bend: who walks faster slows down


def glide(s: Array) -> Array:
    """The minimum-jerk course from 0 to 1 over s in [0, 1] (Flash and Hogan 1985): 10 s^3 - 15 s^4 + 6 s^5."""
    s = np.clip(s, 0, 1)
    return s**3 * (10 - 15 * s + 6 * s**2)


@dataclass
class Take:
    """One performance of one person: the curves so far, and the chance and style that shape them.

    Attributes:
        time: seconds of every frame.
        style: this person's habits, drawn once: arm swing, posture, tempo, step width.
    """

    body: Body
    time: Float[Array, " t"]
    rng: np.random.Generator
    style: dict[str, float]
    keys: tuple[list, list] = field(default_factory=lambda: ([], []))
    straight: float = 0.992

    def __post_init__(self) -> None:
        n = len(self.time)
        self.pelvis, self.tilt, self.spine, self.head = (np.zeros((n, 3)) for _ in range(4))
        self.ankles, self.feet, self.splay = np.zeros((n, 2, 3)), np.zeros((n, 2, 2)), np.zeros((n, 2))
        self.arm_swing, self.arm_waves = np.zeros((n, 2, 4)), np.zeros((n, 2, 4))
        self.heading = self.rng.uniform(-np.pi, np.pi)
        self.place = self.rng.uniform(-0.7, 0.7, 2)

    @property
    def end(self) -> float:
        """Length in seconds."""
        return float(self.time[-1])

    # Curves ----------------------------------------------------------------------------------------------------------

    def drift(self, size: float, seconds: float = 1.5) -> Float[Array, " t"]:
        """Slow wandering about zero with this standard deviation: what no living body is without."""
        periods = seconds * self.rng.uniform(0.7, 3.0, 4)
        phases = self.rng.uniform(0, 2 * np.pi, 4)
        waves = np.sin(2 * np.pi * self.time[:, None] / periods + phases)
        return size * waves @ (self.rng.dirichlet(np.ones(4)) * 2)

    def course(self, *keys: tuple[float, float, float]) -> Float[Array, " t"]:
        """Moves to each value at its time and within its duration; the first key is where it starts."""
        value = np.full(len(self.time), float(keys[0][2]))
        for (_, _, before), (start, seconds, after) in pairwise(keys):
            value += (after - before) * glide((self.time - start) / seconds)
        return value

    def moments(self, gap: float, first: float = 0.0) -> list[float]:
        """Random times about `gap` seconds apart, shifted by chance, until the end."""
        at, found = first + self.rng.uniform(0.1, 0.8) * gap, []
        while at < self.end - 0.2:
            found.append(at)
            at += gap * self.rng.uniform(0.7, 1.4) / self.style["tempo"]
        return found

    def chance(self, share: float) -> bool:
        """True in this share of takes."""
        return bool(self.rng.random() < share)

    def pick(self, options: Sequence[str]) -> str:
        """One of them."""
        return options[self.rng.integers(len(options))]

    # Feet and pelvis -------------------------------------------------------------------------------------------------

    def steps(self, place: Curve, heading: Curve, swings: tuple[list, list], width: float) -> None:
        """Set feet and pelvis from where the body is at any time and when each foot swings (lift, land).

        A foot stands where it is under the body in the middle of its stance, so that stride and turn follow from the
        path, and does not move while it stands; in a swing it glides to its next place. It lands on the heel, rolls
        and leaves from the ball: pitch through a stride after Winter's and Perry's gait data.
        """
        t, n = self.time, len(self.time)
        standing = np.ones((n, 2))
        toes_out = np.radians(self.style["toes_out"])
        for s, sign in enumerate(OUTWARD):
            moments = [moment for swing in swings[s] for moment in swing]
            bounds = [
                min([-1.0, *(m - 0.5 for m in moments)]),
                *moments,
                max([self.end + 1, *(m + 0.5 for m in moments)]),
            ]
            middles = np.array(bounds).reshape(-1, 2).mean(-1)
            yaws = heading(middles)
            spots = place(middles) + sign * width * np.stack([-np.sin(yaws), np.cos(yaws)], -1)
            spots -= 0.045 * self.body.scale * np.stack([np.cos(yaws), np.sin(yaws)], -1)  # ankle behind mid-foot
            spot, yaw = np.tile(spots[0], (n, 1)), np.full(n, yaws[0])
            pitch, lift_height = np.zeros(n), np.zeros(n)
            for (lift, land), move, swerve in zip(swings[s], np.diff(spots, axis=0), np.diff(yaws), strict=True):
                course = (t - lift) / (land - lift)
                spot += glide(np.clip(course, 0, 1) ** 0.94)[:, None] * move  # fastest before the middle
                yaw += glide(course) * swerve
                stride = min(np.linalg.norm(move) / (1.1 * self.body.scale), 1.15)
                pitch += stride * swing_pitch(course)
                inside = np.clip(course, 0, 1)
                lift_height += 0.045 * 28.9 * inside**2 * (1 - inside) ** 3
                standing[:, s] -= (course > 0) & (course < 1)
            pitch, forward, up = foot_roll(pitch, self.body.scale)
            yaw = yaw + sign * toes_out
            self.ankles[:, s, :2] = spot + forward[:, None] * np.stack([np.cos(yaw), np.sin(yaw)], -1)
            self.ankles[:, s, 2] = self.body.sole + up + lift_height
            self.feet[:, s] = np.stack([yaw, pitch], -1)

        yaw = heading(t)
        ahead, aside = np.stack([np.cos(yaw), np.sin(yaw)], -1), np.stack([-np.sin(yaw), np.cos(yaw)], -1)
        support = gaussian_filter1d(standing[:, 0] - standing[:, 1], 6, mode="nearest")
        lead = ((self.ankles[:, 0, :2] - self.ankles[:, 1, :2]) * ahead).sum(-1)
        lead = gaussian_filter1d(lead, 2, mode="nearest") / self.body.scale
        self.pelvis[:, :2] = place(t) + (0.022 * support)[:, None] * aside
        self.pelvis[:, 2] = self.body.sole + self.body.leg
        self.tilt += np.stack([yaw - 0.18 * lead, np.full(n, 0.05), 0.06 * support], -1)
        self.spine += np.stack([0.32 * lead, np.full(n, 0.02), -0.05 * support], -1)
        self.head += np.stack([-0.12 * lead, np.zeros(n), np.zeros(n)], -1)
        swing = gaussian_filter1d(lead, 3, mode="nearest") * self.style["arm_swing"]
        for s, sign in enumerate(OUTWARD):
            back = -sign * swing
            self.arm_swing[:, s] = np.stack([0.55 * back, 0 * back, 0.35 * np.abs(swing) + 0.4 * back, 0 * back], -1)

    def walk(self, speed: float) -> None:
        """Round and round the room at about `speed` metres per second, slower where bends are tight."""
        loop = Loop.through_room(self.rng)
        speed = min(speed, np.sqrt(SIDEWAYS / loop.curvature))
        begin, sway = self.rng.uniform(0, (loop.length, 2 * np.pi))

        def distance(t: Array) -> Array:
            return begin + speed * (t + 0.06 * np.sin(2 * np.pi * t / 3.7 + sway))

        def place(t: Array) -> Array:
            return loop.place(distance(t))

        def heading(t: Array) -> Array:
            return loop.heading(distance(t))

        stride = (0.70 + 0.45 * speed) * self.body.scale  # grows with the speed, and so does the cadence
        cycle = stride / speed
        first = self.rng.uniform(-cycle, 0)
        cycles = first + cycle * np.arange(-2, np.ceil(self.end / cycle) + 3)
        swings = tuple([(at + s * cycle / 2, at + s * cycle / 2 + 0.4 * cycle) for at in cycles] for s in range(2))
        self.steps(place, heading, swings, self.style["width"] * 0.75)
        turning = np.gradient(heading(self.time), self.time)
        self.tilt[:, 2] -= 0.6 * turning * speed / 9.81  # leans into the bend
        self.head[:, 0] += 0.25 * turning
        self.straight = 0.99
        self.pelvis[:, 2] -= 0.022 * self.body.leg  # the standing knee gives in the middle of its stance

    def stand(self, gap: float = 2.2, reach: float = 0.25, turn: float = 0.7) -> None:
        """Stand, shift the weight, and now and then take two or three steps to another place and another heading."""
        places, headings, swings = [self.place], [self.heading], ([], [])
        spans = []
        for at in self.moments(gap, first=0.3):
            if spans and at < spans[-1][1] + 0.3:
                continue
            bend = self.rng.uniform(-turn, turn)
            step = self.rng.uniform(-reach, reach, 2) - 0.15 * places[-1]
            count = 2 + int(abs(bend) > 0.6 or np.linalg.norm(step) > 0.3)
            pace = self.rng.uniform(0.42, 0.55) / self.style["tempo"]
            first = int(bend < 0)  # the foot on the inside of the turn goes first
            for i in range(count):
                swings[(first + i) % 2].append((at + i * pace, at + (i + 0.92) * pace))
            spans.append((at, at + count * pace))
            places.append(places[-1] + step)
            headings.append(headings[-1] + bend)

        def course(values: list) -> Curve:
            moves = list(zip(spans, np.diff(np.array(values), axis=0), strict=True))

            def at(times: Array) -> Array:
                value = np.multiply.outer(np.ones(len(times)), values[0])
                for (start, end), move in moves:
                    value = value + np.multiply.outer(glide((times - start) / (end - start)), move)
                return value

            return at

        self.steps(course(places), course(headings), swings, self.style["width"])
        weight = np.tanh(self.drift(0.8, 2.5)) * (
            gaussian_filter1d((self.ankles[..., 2] < self.body.sole + 0.01).all(-1) * 1.0, 8)
        )
        yaw = self.tilt[:, 0]
        self.pelvis[:, :2] += (0.045 * weight)[:, None] * np.stack([-np.sin(yaw), np.cos(yaw)], -1)
        self.tilt[:, 2] += 0.07 * weight
        self.spine[:, 2] -= 0.09 * weight
        self.tilt[:, 0] += self.drift(0.05, 2.5)

    def bow(self, angle: Float[Array, " t"], knees: float = 0.0) -> None:
        """Bend forwards by an angle (t, radians), hips going back for balance, and the knees by `knees` metres."""
        share = np.sin(angle)
        yaw = self.tilt[:, 0]
        self.tilt[:, 1] += 0.6 * angle
        self.spine[:, 1] += 0.45 * angle
        self.head[:, 1] -= 0.25 * angle
        self.pelvis[:, :2] -= (0.16 * share * self.body.scale)[:, None] * np.stack([np.cos(yaw), np.sin(yaw)], -1)
        self.pelvis[:, 2] -= knees * share

    def sit(self, down: Float[Array, " t"] | float = 1.0, floor: bool = False, cross: bool = False) -> None:
        """Sit on a chair, or on the floor, as far as `down` (0 standing, 1 sitting) says at every time.

        The feet stay where they are; going down the hips go back first and the trunk leans over the feet.
        """
        n, scale, yaw = len(self.time), self.body.scale, self.heading
        down = np.broadcast_to(down, n)
        ahead, aside = np.array([np.cos(yaw), np.sin(yaw), 0]), np.array([-np.sin(yaw), np.cos(yaw), 0])
        height = (0.13 if floor else self.rng.uniform(0.51, 0.56)) * scale
        back = self.rng.uniform(0.50, 0.62) if floor else self.rng.uniform(0.34, 0.50)
        middle = np.append(self.place, 0.0)
        seat = middle - back * scale * ahead + height * UP
        tall = middle + (self.body.sole + 0.995 * self.body.leg) * UP - 0.02 * ahead
        level, drop = glide(np.clip(down * 1.15, 0, 1)), glide(np.clip(down * 1.1 - 0.1, 0, 1))
        self.pelvis[:] = tall * [1, 1, 0] + level[:, None] * (seat - tall) * [1, 1, 0]
        self.pelvis[:, 2] = tall[2] + drop * (seat - tall)[2]
        between = np.sin(np.pi * np.clip(down, 0, 1)) ** 2
        slouch = self.rng.uniform(-0.3, -0.05) if not floor else -0.35
        self.tilt[:, 0], self.tilt[:, 1] = yaw, between * 0.45 + down * slouch
        self.spine[:, 1] += between * 0.3 + down * (0.12 - 0.6 * slouch) + down * self.drift(0.05, 2)
        self.head[:, 1] -= between * 0.3
        self.tilt[:, 0] += down * self.drift(0.04, 3)
        self.spine[:, 2] += down * self.drift(0.05, 3)
        apart = self.rng.uniform(0.09, 0.2)
        for s, sign in enumerate(OUTWARD):
            shift = self.rng.uniform(-0.07, 0.07)
            self.ankles[:, s] = middle + scale * (sign * apart * aside + shift * ahead) + self.body.sole * UP
            self.feet[:, s, 0] = yaw + sign * self.rng.uniform(0.0, 0.35)
            self.splay[:, s] = self.rng.uniform(-0.1, 0.25) * down
        if cross:
            self._cross_legs(ahead, aside)
        elif not floor and self.chance(0.6):
            self._shift_foot(ahead)

    def _cross_legs(self, ahead: Array, aside: Array) -> None:
        """Lay one knee over the other for a while."""
        s = int(self.chance(0.5))
        sign, scale = OUTWARD[s], self.body.scale
        start = self.rng.uniform(-0.5, 0.35) * self.end
        over = self.course((0, 0, 0), (start, 0.9, 1), (start + self.rng.uniform(0.45, 1.2) * self.end, 0.9, 0))
        hip = self.pelvis + sign * self.body.length("Hip") * aside
        held = hip + scale * (0.60 * ahead - sign * 0.24 * aside - 0.21 * UP)
        arc = 0.16 * np.sin(np.pi * over)[:, None] * (UP + 0.3 * ahead)
        self.ankles[:, s] += over[:, None] * (held - self.ankles[:, s]) + arc
        self.feet[:, s, 1] += over * self.rng.uniform(0.2, 0.6)
        self.feet[:, s, 0] -= sign * 0.25 * over
        self.splay[:, s] -= 0.25 * over
        self.tilt[:, 2] += sign * 0.06 * over

    def _shift_foot(self, ahead: Array) -> None:
        """Move one foot forwards or back under the chair."""
        s, start = int(self.chance(0.5)), self.rng.uniform(0.1, 0.7) * self.end
        moved = self.course((0, 0, 0), (start, 0.55, 1))
        self.ankles[:, s] += moved[:, None] * self.rng.uniform(-0.16, 0.14) * ahead
        self.ankles[:, s, 2] += 0.04 * np.sin(np.pi * moved)

    # Hands and head --------------------------------------------------------------------------------------------------

    def hand(self, s: int, *keys: tuple[float, float, str]) -> None:
        """What a hand does: (start, seconds, name of a pose or a place); the first one it does from the beginning."""
        for start, seconds, name in keys:
            spread = np.radians(self.rng.normal(0, (5, 4, 6, 5)))
            self.keys[s].append((start, seconds, name, spread if name in POSES else spread * (0.2, 0.2, 0, 2)))

    def hands(
        self, rest: str, gestures: Sequence[str] = (), gap: float = 1.3, both: float = 0.5, main: int | None = None
    ) -> None:
        """Rest, and gesture now and then with one hand or both, a little apart in time."""
        main = int(self.chance(self.style["right_handed"])) if main is None else main
        for s in range(2):
            self.hand(s, (0, 1, rest))
        for at in self.moments(gap) if gestures else []:
            gesture = self.pick(gestures)
            together = self.chance(both)
            for s in range(2):
                if s == main or together:
                    seconds = self.rng.uniform(0.45, 0.75) / self.style["tempo"]
                    self.hand(s, (at + self.rng.uniform(0, 0.15), seconds, gesture))
                    if self.chance(0.45):
                        self.hand(s, (at + self.rng.uniform(0.8, 1.1) * gap, 0.6 / self.style["tempo"], rest))

    def shake(self, s: int, start: float, seconds: float, hertz: float, size: Sequence[float]) -> None:
        """Swing a hand to and fro about its pose: `size` in degrees of flexion, abduction, bend, swivel."""
        envelope = glide((self.time - start) / 0.3) * glide((start + seconds - self.time) / 0.3)
        phase = 2 * np.pi * hertz * self.time + self.rng.uniform(0, 2 * np.pi)
        self.arm_waves[:, s] += (envelope * np.sin(phase))[:, None] * np.radians(size)

    def look(self, size: float = 0.35, gap: float = 1.4) -> None:
        """Turn the head to one thing after another, and the trunk a little with it."""
        keys, nods = [(0.0, 1.0, self.rng.uniform(-size, size))], [(0.0, 1.0, self.rng.uniform(-0.1, 0.15))]
        for at in self.moments(gap):
            keys.append((at, self.rng.uniform(0.35, 0.6), self.rng.uniform(-1, 1) * size))
            nods.append((at, 0.5, self.rng.uniform(-0.12, 0.22)))
        yaw = self.course(*keys)
        self.head += np.stack([yaw, self.course(*nods) + self.drift(0.03, 0.8), self.drift(0.04, 1.5)], -1)
        self.spine[:, 0] += 0.25 * gaussian_filter1d(yaw, 6, mode="nearest")

    def _arms(self, places: dict[str, Array]) -> Float[Array, "t 2 4"]:
        """Angles of both arms: blend from key to key along minimum-jerk courses, then swing, drift and limits."""
        n = len(self.time)

        def pose(s: int, name: str, spread: Array) -> Array:
            if name in POSES:
                return np.radians(POSES[name]) + spread
            return np.concatenate([places[name][:, s], np.zeros((n, 1))], -1) + spread

        angles = np.zeros((n, 2, 4))
        for s in range(2):
            for start, seconds, name, spread in sorted(self.keys[s], key=lambda key: key[0]):
                share = glide((self.time - start) / seconds)[:, None] if start > 0 else 1.0
                change = share * (pose(s, name, spread) - angles[:, s])
                detour = 1.5 * np.tanh(2 * change[:, :1] ** 2) * (1 - share)  # round the body, not through it
                angles[:, s] += change + detour * (0, 1, 0, 0)
            angles[:, s] += np.stack([self.drift(size, 0.9) for size in (0.035, 0.03, 0.05, 0.05)], -1)
        angles = gaussian_filter1d(angles, 3, axis=0, mode="nearest")  # an arm stretched to its end does not jerk
        hanging = np.clip(1.2 - np.abs(angles[..., 0]) / 0.5, 0, 1) * np.clip(2 - angles[..., 2] / 0.8, 0, 1)
        angles += hanging[..., None] * self.arm_swing + self.arm_waves
        angles[..., 2] = np.clip(angles[..., 2], BENT, 2.5)
        return angles

    def joints(self) -> Float[Array, "t 32 3"]:
        """Perform it: world positions of the 32 joints, metres."""
        self.spine[:, 1] += self.style["stoop"] + self.drift(0.015, 1.2)
        self.spine[:, 2] += self.drift(0.015, 1.5)
        parts = (self.pelvis, self.tilt, self.spine, self.head, self.ankles, self.feet, self.splay, self._arms)
        return perform(self.body, Movement(*parts), self.straight)


def swing_pitch(course: Array) -> Array:
    """Pitch of a foot (toes down, radians) around one swing, for a full stride; `course` is 0 at lift, 1 at landing.

    Heel up from before the lift, toes up before the landing, flat soon after it.
    """
    at = (-0.75, -0.4, 0.0, 0.12, 0.5, 0.82, 1.0, 1.12, 1.3)
    degrees = (0, 9, 48, 64, 30, -12, -20, -10, 0)
    return np.radians(PchipInterpolator(at, degrees)(np.clip(course, at[0], at[-1])))
