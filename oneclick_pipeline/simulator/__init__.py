"""The simulator: a store with known truth, and policies played in it.

In comes a profile of a store, as aggregated statistics; out come its exports month by month, the truth beside them, and what
policies earn in a year. Begin with `twin/panel`.

twin/    the store: customers who buy, drift, decline, leave, and the files it exports
year/    policies that live the same year with the same luck, and what they earn
"""
