"""NTU RGB+D and NTU RGB+D 120, .skeleton files."""
