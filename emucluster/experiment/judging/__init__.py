"""One judge for each kind of hypothesis."""
