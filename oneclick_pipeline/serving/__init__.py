"""Customers scored at once: `oneclick score` for one or a few, `oneclick serve` over HTTP; both by the same functions.

`scoring` takes records and gives probabilities with reasons, `server` puts MLflow's protocol before it, `command` is the command.
"""

from oneclick_pipeline.serving.scoring import Scorer, parse_json, read_records, score_customer, score_records

__all__ = ["Scorer", "parse_json", "read_records", "score_customer", "score_records"]
