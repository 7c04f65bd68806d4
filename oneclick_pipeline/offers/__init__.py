"""Stage offers: one offer, or control, or nothing for every customer, under consent, budget, capacity and contact cap.

In come the scored and segmented customers, the catalogue's offers and what is believed about them; out go the tables
`offer_plan`, `plan_summary` and `profit_curve`, the file for the CRM, and rows of a store's database. Open `planner` first.

    planner              who may get which offer: `Planner` batch by batch, `offer_plan` at once
    month_plan           the same with all that it rests on: lessons of campaigns, worth of a customer
    candidates           the customers of a plan, what they may get and what it is expected to gain
    open_plan            the plan while it is open: solved for a budget, decided for that of the settings
    policy               what the policy gives within what exploration has left of the limits
    assignment           the most expected gain under a budget and capacities; `assignment_*` are its steps
    decision             the decision for every candidate: arm, assignment, reason
    gain_posterior       how sure its expected gain is; gain_sample: the customers of whom that needs more than the decision does
    plan_table           the decided plan as the table
    plan_summary         the plan in figures
    summary_table        these figures, and what the plan was made with, as the table
    budget_curve         what the plan would bring with other budgets
    past_gain            the same by what earlier campaigns showed
    curve_picture        the curve, drawn
    backtest             what the plan's assignment would have earned on earlier campaigns
    export               offers.csv for the CRM
    publication          how a month's ledger differs from its tables of today
    database             the plan in a store's database; database_address: which addresses may be written to
"""
