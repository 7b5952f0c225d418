"""Changing objects by patch: the four kinds of PATCH, and who manages which field.

All of it works on trees, plain dicts and lists with JSON's names, and changes none in place.
"""
