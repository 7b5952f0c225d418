"""The objects of the cluster, their versions, and the events that tell of their changes."""

from .fields import FieldRequirement as FieldRequirement
from .fields import parse_fields as parse_fields
from .keys import Key as Key
from .keys import key_of as key_of
from .pages import Page as Page
from .pages import list_page as list_page
from .relist import relisted as relisted
from .revisions import Subresource as Subresource
from .scope import Dispatch as Dispatch
from .scope import NodeScope as NodeScope
from .scope import references as references
from .selectors import Requirement as Requirement
from .selectors import Selector as Selector
from .selectors import from_label_selector as from_label_selector
from .selectors import from_pairs as from_pairs
from .selectors import parse_labels as parse_labels
from .store import Batch as Batch
from .store import Row as Row
from .store import Store as Store
from .window import EventType as EventType
from .window import StoreEvent as StoreEvent
