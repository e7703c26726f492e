"""The page that plays a motion: what is in the file, and what a browser makes of it."""

import base64
import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from stgraph.motion.html_file import SEEN, viewer_data
from stgraph.skeleton import H36M17
from tests.motion.people import walking

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"),
    *("--virtual-time-budget=2000", "--window-size=1200,700", "--blink-settings=preferredColorScheme=1"),
)
browser = pytest.mark.skipif(BROWSER is None, reason="needs Chromium")


def open_page(path, folder, *options, state="frame=30"):
    """What Chromium prints about a page; fails where the page has written to the console."""
    command = [str(BROWSER), *OPTIONS, f"--user-data-dir={folder / 'profile'}", *options, f"file://{path}#{state}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "CONSOLE" not in ended.stderr, ended.stderr[-2000:]
    return ended.stdout


def unpacked(text, kind, shape):
    return np.frombuffer(base64.b64decode(text), kind).reshape(shape)


def test_the_data_are_those_of_the_motion_to_the_millimetre():
    motion = walking(("S07/walk 01", "S08/walk 02"), 60, frame=np.arange(10, 130, 2))
    data = viewer_data(motion, "walk")
    shape = motion.pose.shape
    packed = unpacked(data["pose"], "<i2", shape)
    assert ((packed == -32768).all((2, 3)) == ~motion.present).all()
    pose = packed * data["unit"] + np.array(data["origin"])
    np.testing.assert_allclose(pose[motion.present], motion.pose[motion.present], atol=6e-4)
    keypoints = unpacked(data["keypoints"], "<i2", (*shape[:3], 2)) * data["pixel"]
    np.testing.assert_allclose(keypoints[motion.seen], motion.keypoints[..., :2][motion.seen], atol=0.06)
    assert ((unpacked(data["marks"], "u1", shape[:3]) == SEEN) == motion.seen).all()
    assert (data["rate"], data["start"], data["first"], data["step"]) == (25, 0.2, 10, 2)


def test_far_away_people_fit_into_16_bits():
    motion = walking(frames=30)
    far = {"pose": 50 * (motion.pose - motion.pose.mean((0, 1, 2))), "keypoints": motion.keypoints * (20, 20, 1)}
    motion = walking(frames=30, **far)
    data = viewer_data(motion, "walk")
    pose = unpacked(data["pose"], "<i2", motion.pose.shape) * data["unit"] + np.array(data["origin"])
    np.testing.assert_allclose(pose, motion.pose, atol=data["unit"])
    assert data["unit"] < 0.005 and data["pixel"] < 1


def test_no_text_ends_its_element(tmp_path):
    evil = "</script><script>alert(1)</script>"
    motion = walking(("S07/walk 01", "S08/walk 02"), 30, person=np.array([evil, "&lt;b>"]), notes=(evil,))
    motion.save(tmp_path / "a<b>&.html")
    page = (tmp_path / "a<b>&.html").read_text()
    assert page.count("<script") == page.count("</script>") == 2 and "alert(1)</" not in page
    assert f"<title>{html.escape('a<b>&')}</title>" in page
    data = json.loads(re.search(r'application/json">(.*?)</script>', page)[1])
    assert data["people"] == [evil, "&lt;b>"] and data["notes"] == [evil]


def test_a_minute_takes_less_than_3_mb_and_no_network(tmp_path):
    minute = {name: np.repeat(getattr(walking(), name), 18, 0) for name in ("pose", "guessed", "keypoints")}
    walking(fps=30.0, frame=np.arange(1800), **minute).save(tmp_path / "walk.html")
    assert (tmp_path / "walk.html").stat().st_size < 1e6
    page = (tmp_path / "walk.html").read_text()
    assert "default-src 'none'" in page and not re.search(r"https?://|@import|url\(", page)


@browser
@pytest.mark.slow
def test_the_walker_is_upright_and_not_mirrored_in_both_drawings(tmp_path):
    """Seen by the camera it walks towards, its left is on the right, and the head is above the feet."""
    guessed = np.zeros((60, 1, len(H36M17)), bool)
    guessed[:, 0, H36M17.index("LFoot")] = True
    motion = walking(("S07/walk 01",), 60, guessed=guessed)
    motion.save(tmp_path / "walk.html")
    facing = motion.pose[30, 0, H36M17.index("LHip")] - motion.pose[30, 0, H36M17.index("RHip")]
    assert facing[0] > 0.1  # towards the camera
    shot = tmp_path / "shot.png"
    open_page(tmp_path / "walk.html", tmp_path, f"--screenshot={shot}", state="frame=30&azimuth=0&elevation=0")
    picture = np.asarray(Image.open(shot).convert("RGB"))[60:630] / 255
    for half in (picture[:, 16:476], picture[:, 492:1184]):
        left, right, middle = (
            np.argwhere(np.abs(half - to_rgb(colour)).max(-1) < 0.03) for colour in ("#1f6fb4", "#d8432f", "#333333")
        )
        assert min(len(left), len(right), len(middle)) > 100
        assert left[:, 1].mean() > right[:, 1].mean() + 5
        assert middle[:, 0].mean() < left[:, 0].mean()  # the trunk is above the legs
    pale = 1 - 0.35 * (1 - np.array(to_rgb("#1f6fb4")))
    assert (np.abs(picture[:, 492:1184] - pale).max(-1) < 0.03).sum() > 50


@browser
@pytest.mark.slow
def test_keys_pointer_and_slider_work(tmp_path):
    motion = walking(("S07/walk 01", "S08/walk 02"), 60)
    motion.save(tmp_path / "walk.html")
    page = (tmp_path / "walk.html").read_text()
    script = """<script>
    const did = {}, key = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
    const pointer = (type, x, y) => space.dispatchEvent(
      new PointerEvent(type, {pointerId: 1, clientX: x, clientY: y, bubbles: true}));
    space.setPointerCapture = () => {};
    key("ArrowRight"); did.right = frameNow();
    key("Home"); did.home = frameNow();
    key("End"); did.end = frameNow();
    key(" "); did.playing = playing; key(" "); did.paused = !playing;
    element("scrub").value = 12; element("scrub").dispatchEvent(new Event("input")); did.scrub = frameNow();
    pointer("pointerdown", 100, 100); pointer("pointermove", 150, 80); pointer("pointerup", 150, 80);
    did.view = [view.azimuth, view.elevation];
    space.dispatchEvent(new WheelEvent("wheel", {deltaY: -100, cancelable: true})); did.closer = view.zoom > 1;
    space.dispatchEvent(new Event("dblclick")); did.reset = [view.azimuth, view.zoom];
    element("follow").click();
    key(" "); last = null; draw(0); draw(200); did.played = frameNow();
    document.documentElement.dataset.did = JSON.stringify(did);
    </script>"""
    (tmp_path / "walk.html").write_text(page.replace("</body>", f"{script}</body>"))
    shown = open_page(tmp_path / "walk.html", tmp_path, "--dump-dom")
    did = json.loads(html.unescape(re.search(r'data-did="(.*?)"', shown)[1]))
    assert did == {
        **{"right": 31, "home": 0, "end": 59, "playing": True, "paused": True, "scrub": 12},
        **{"view": [15, 4], "closer": True, "reset": [35, 1], "played": 22},
    }
