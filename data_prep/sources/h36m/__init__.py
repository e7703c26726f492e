"""Human3.6M in any layout, official or VideoPose3D."""
