"""What records come to, as numbers. Pure functions of a history, or of a part of its calls."""
