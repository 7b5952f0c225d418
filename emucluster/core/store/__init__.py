"""The objects of the cluster, their versions, and the events that tell of their changes."""

from .indices import Key as Key
from .indices import key_of as key_of
from .revisions import Subresource as Subresource
from .selectors import Requirement as Requirement
from .selectors import Selector as Selector
from .selectors import from_label_selector as from_label_selector
from .selectors import from_pairs as from_pairs
from .selectors import parse_fields as parse_fields
from .selectors import parse_labels as parse_labels
from .store import Batch as Batch
from .store import Row as Row
from .store import Store as Store
from .window import EventType as EventType
from .window import StoreEvent as StoreEvent
