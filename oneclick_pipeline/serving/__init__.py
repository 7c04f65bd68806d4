"""Customers scored at once: `oneclick score` for one or a few, `oneclick serve` over HTTP; both by the same functions.

In come features of customers; out come probabilities with reasons. Begin with `scoring`.

scoring    records checked and scored by a registered model
server     MLflow's protocol over HTTP before it
"""

from oneclick_pipeline.serving.scoring import Scorer, parse_json, read_records, score_customer, score_records

__all__ = ["Scorer", "parse_json", "read_records", "score_customer", "score_records"]
