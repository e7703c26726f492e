"""MPI-INF-3DHP, official files or .npz made of them."""

NAME = "3dhp"  # of the command; a module's name cannot begin with a digit
