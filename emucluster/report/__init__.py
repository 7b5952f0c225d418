"""What people and machines read of a run: made from its result and its records, nothing else."""
