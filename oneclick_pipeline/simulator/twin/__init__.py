"""The twin: a simulator of the store with known P(declined | x), and the CSV files the store would export.

In comes a profile; out come a month's four exports and the truth beside them. Begin with `panel`.

    profile   Profile.load, Profile.save: a store as aggregated statistics; the bundled one is profile.json
    fit       fit: a profile from a month's customer_features
    draw      customers, without quirks
    truth     probability_of_codes: the true P(declined | x), the score no model can beat
    quirks    Quirks: everything that is wrong with an export
    month     write_month: the four files of a month, at any size
    offers    effects: what each offer truly changes for each customer
    worlds    WORLDS: other truths about the offers, in which a policy is judged too
    life      how customers go from one month to the next
    panel     Panel: a store over many months, in memory; write_months: their files

Each class of customers is a Gaussian copula over the features and the profit. The class of a drawn customer is
drawn again with the probability that its features give, so that the probability is true by construction.

A panel keeps that promise in every month: P(declined | x) is computed from what the snapshot shows, and the class of
the next three months is drawn with it. Because the months of one customer must agree, revenue_m1 and revenue_m2 are
the revenues shown before, so all three have one distribution (in the profile the spread grows from m2 to m0), and
tenure grows with the store, beyond the three years that the profile knows. Within a class these columns are
independent of the others (`life.uncoupled`).

What the twin does not know: dependence that is not monotone inside a class. In the real export one pair has it
(revenue_m0 and revenue_m2: phik 0.51, the twin has 0.19). The truth reaches the ceiling of real
models without it (AUC 0.91 on customers the profile was not fitted on).
"""
