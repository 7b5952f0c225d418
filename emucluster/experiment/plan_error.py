"""Why no plan could be made of an experiment."""

from emucluster.core.errors import UsageError


class PlanError(UsageError):
    """A fault cannot be planned on this cluster. `fault` is its name."""

    def __init__(self, fault: str, problem: str) -> None:
        super().__init__(f'fault "{fault}": {problem}')
        self.fault = fault
        self.problem = problem
