"""Readers of other people's files, shared by several sources.

- Files and options: `files` (which files paths name), `splitting` (train, validation, test), `labels`.
- Clips: `poses` (a clip as its file has it), `conventions` (joints, channels, scale, unit, axes) and `infer_convention`
  (the same from some clips), `pose_files` (one file, one clip), `csv_poses`, `kinetics`, `ntu`, `pyskl`,
  `labelled_clips` (one file, many clips), `left_out` (clips that cannot be used).
- Arrays without names: `arrays` (numbers, checked), `matlab` (variables of its files), `layouts` (joint orders mapped
  to Human3.6M's).
- Motion capture: `rigs` (joints mapped by name), `takes` (one file, one take), `motion`; `h36m`.
"""
