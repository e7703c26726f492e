"""Frames with actions, as POSEIDON takes them (train_2d_poses.npy, ...)."""
