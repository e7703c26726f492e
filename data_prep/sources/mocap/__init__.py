"""Motion-capture files (ASF/AMC, BVH, .npz) seen through cameras."""
