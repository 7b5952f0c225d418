"""What a process of ours itself took: processor time, and how late its event loop was.

What belongs here: measuring, remembering a while, telling. What does not: judging whether a run was
limited by it (experiment.rig).
"""
