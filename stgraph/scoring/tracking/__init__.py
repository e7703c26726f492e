"""How well people were tracked: PoseTrack's scores, and what was recovered where the detector had missed it.

`score` takes videos and gives a report of numbers, `tracking_markdown` writes it out.
"""

from stgraph.scoring.tracking.markdown import recovery_markdown, tracking_markdown
from stgraph.scoring.tracking.report import MODES, score

__all__ = ["MODES", "recovery_markdown", "score", "tracking_markdown"]
