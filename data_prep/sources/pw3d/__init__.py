"""3D Poses in the Wild, official files or TGraphNet's."""

NAME = "3dpw"  # of the command; a module's name cannot begin with a digit
