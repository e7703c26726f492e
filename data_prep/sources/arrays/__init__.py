"""Many clips in one .npy (N, C, T, V, M) with labels, or in one .csv."""
