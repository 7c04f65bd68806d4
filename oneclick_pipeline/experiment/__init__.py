"""The experiment of a month: what chance decides about every customer, with which probability, and the effect that can show.

In come the customers' numbers, the offers that each may be given, the budget and the settings' shares; out go who is
held out, who explores which offer, and the exact probabilities, which the plan and the ledger store. Open `draws`
first, then `probabilities`.

    draws           a number in [0, 1) per customer and purpose: held out permanently, explores, which arm, control of the month
    exploration     which arm each explorer gets, as far as budget and capacities allow
    room            how many customers in order fit within a budget and capacities
    probabilities   of every arm, of no offer, of control, of exploring; and what follows from them
    chances         of each offer by exploration, and which offers fit: one text per customer
    weights         how many customers one without an offer represents
    old_ledgers     the same, inferred for ledgers that were written before plans stored them
    power           smallest effect that a plan can show
    sample_ratio    whether a split came out as it was drawn
"""
