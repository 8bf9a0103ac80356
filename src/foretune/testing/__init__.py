"""Contract suites that every search method, tracker and task unit keeps, shipped with the package.

Needs pytest; may import what the contracts speak of.
"""
