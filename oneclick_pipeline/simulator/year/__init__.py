"""The simulated year: the twin plays it under several policies, with the same luck, and what they earn is compared.

In come a store, its catalogue and its settings; out come tables and a picture. Begin with `play`.

    worth       monthly_profit, Worth: what a customer brings, and what keeping one from declining is truly worth
    play        play: one policy, month by month; Situation, Policy, Play
    policies    nobody, random, risk_profit, oracle: those that our policy is measured against
    our_policy  fast (the stages' functions on the twin's tables) and full (the real Dagster graph over a home)
    gains       what our plans promised, month by month, beside what they truly gained
    report      what all of them earned, measured effects compared with the truth; tables and a picture

A year is so many months with offers, and the horizon after the last of them, in which nothing is sent and the effects of
what was sent appear. A policy's gain is its profit over all these months less that of nobody, less what its offers cost.
"""
