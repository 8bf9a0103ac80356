"""The sections of the configuration: plain dataclasses that tell what is wrong with themselves.

May import the standard library and core, nothing else.
"""
