"""A bundle and a snapshot become scores, audiences and files that other tools accept."""
