"""Stage campaigns: what was sent, what became of it, what the offers changed, and what the next plan may believe.

The plan of a month goes into the ledger; later snapshots say what became of its customers (`campaign_outcomes`);
randomisation says what of that the offers did. Importing this package is cheap.
"""

from oneclick_pipeline.campaigns.dr_learner import Learner, learn
from oneclick_pipeline.campaigns.outcomes import campaign_outcomes
from oneclick_pipeline.campaigns.policy_value import PolicyValue, policy_value

__all__ = ["Learner", "PolicyValue", "campaign_outcomes", "learn", "policy_value"]
