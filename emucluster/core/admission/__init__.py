"""What happens to an object between the request and the store."""

from .admission import Admission as Admission
from .admission import Propagation as Propagation
from .apply import LAST_APPLIED as LAST_APPLIED
from .apply import Applied as Applied
from .apply import Outcome as Outcome
