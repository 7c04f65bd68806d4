"""Campaigns: what was sent, what became of it, what the offers changed, and what the next plan may believe.

The plan of a month goes into the ledger; later snapshots say what happened to its customers; randomisation says how much of that
was the offers' doing. In come the ledger and `customer_features` of several months, out come `campaign_outcomes`, `offer_effects`
and `offer_beliefs`, and what the plan needs of single customers. Importing this package is cheap. Open outcomes.py first.

    ledger.py                what was really sent: written once, read back, checked
    ledger_rules.py          the columns of a month of the ledger, and what must be true of every row
    outcomes.py              outcomes of the customers of earlier campaigns, none dropped; samples and folds of them
    comparisons.py           which customers may be compared, because chance alone separated them
    estimate.py              the effect on one outcome: offered against controls, adjusted
    shares.py                the difference of two shares with an exact interval, where few have either outcome
    offer_effects.py         what each offer changed, by month, over all and by segment
    response.py              how customers respond: one Bayesian regression of all campaigns
    dr_learner.py            effects on single customers beyond the regression
    effect_posterior.py      by how much all these effects may be wrong together
    evidence.py              all that campaigns teach about single customers, for beliefs and plan
    beliefs.py               what the next plan may believe about every offer and segment
    worth.py                 what it is worth to keep a customer
    policy_value.py          what other ways of choosing would have earned
    outcomes_csv.py          reads the file of a campaign that was run elsewhere
    outcomes_csv_header.py   what its header must have
    outcomes_csv_columns.py  which columns are used, and how their texts are read
    outcomes_csv_offers.py   spellings of one offer
    outcomes_csv_rules.py    the rules that its rows must keep
    outcomes_csv_effects.py  what its offers changed, for terminal and JSON
    pictures.py              effects over the campaigns
"""
