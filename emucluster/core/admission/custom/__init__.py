"""Kinds that users define: their definitions, and what is asked of their objects.

Source of everything here: k8s.io/apiextensions-apiserver. Not done, and said in a warning when a
definition is written: rules in CEL (`x-kubernetes-validations`) and conversion by webhook are
stored, and nothing evaluates them.
"""
