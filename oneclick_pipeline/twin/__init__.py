"""The twin: a simulator of the store with known P(declined | x), and the CSV files the store would export.

    profile   Profile.load, Profile.save: a store as aggregated statistics; the bundled one is profile.json
    fit       fit: a profile from a month's customer_features
    draw      sample: customers in memory, without quirks
    truth     probability: the true P(declined | x), the score no model can beat
    quirks    Quirks, NONE: everything that is wrong with an export
    month     write_month: the four files of a month, at any size

Each class of customers is a Gaussian copula over the features and the profit. The class of a drawn customer is
drawn again with the probability that its features give, so that the probability is true by construction.

What the twin does not know: dependence that is not monotone inside a class. In the real export one pair has it
(revenue_m0 and revenue_m2: phik 0.51, the twin has 0.19). The truth reaches the ceiling of real
models without it (AUC 0.91 on customers the profile was not fitted on).
"""
