"""What is closed at the end of a `with`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class Closing(ABC):
    """Is ready when it is made, and closed when its `with` is left, however."""

    @abstractmethod
    def close(self) -> None:
        """Give up what it holds. Harmless when done twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
