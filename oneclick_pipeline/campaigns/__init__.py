"""Stage campaigns: what was sent, what became of it, what the offers changed, and what the next plan may believe.

In come the published plans (the ledger) and the snapshots that followed; out go the tables `campaign_outcomes`,
`offer_effects`, `offer_beliefs`, and for the plan the effects on single customers and the worth of a kept one. Open
`ledger` first, then `outcomes`. Importing this package is cheap.

    ledger            what was really sent, a file per month, written once
    outcomes          what became of the customers of earlier campaigns
    comparisons       who may be compared with whom: what chance alone licenses
    estimate          the effect on one outcome: offered against controls, adjusted
    offer_effects     what every offer changed, by month, over all and by segment
    response          how customers respond: one Bayesian regression of all campaigns
    beliefs           what the next plan believes of every offer
    dr_learner        effects on single customers beyond what is believed
    evidence          both together: all that campaigns teach about single customers
    policy_value      what a policy would have earned on earlier campaigns
    worth             what it is worth to keep a customer from declining
    outcomes_csv      outcomes of a campaign that was run elsewhere
    pictures          effects over time
"""
