"""`make demo`: every kind of Service, called, broken and measured; `python -m examples.demo`."""
