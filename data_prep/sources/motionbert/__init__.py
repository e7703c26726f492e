"""Human3.6M in image space, the file that MotionBERT and those after it train on."""
