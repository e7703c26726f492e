"""Anyone's 2D keypoints by one reader, `read.read_keypoints`, as one thing, `keypoints.Keypoints`.

A family of formats is a file; `read.py` tells them apart. What a file says becomes a `poses.Raw`, and `poses.finished`
checks it and makes it `Keypoints`: joints named (`layouts`, `fit`), pixels, frames in order, unseen joints all zero.
"""
