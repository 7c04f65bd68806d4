"""What a model learns from, and what explains it."""

from __future__ import annotations

from oneclick_pipeline.contracts.customers import FEATURES
from oneclick_pipeline.contracts.exports import CUSTOMER_ID
from oneclick_pipeline.contracts.schema import Column, Table, vocabulary

LABEL_SOURCES = ("delivered", "revenue_rule", "vanished")

TRAINING_SET = Table(
    "training_set",
    "model",
    "One row per labelled regular customer: features of a month and what happened to the customer",
    (
        Column("feature_month", "str", "Snapshot month of the features"),
        Column("label_month", "str", "Snapshot month of the label"),
        CUSTOMER_ID,
        *FEATURES,
        Column("declined", "int", "Label: 1 declined, 0 stable", group="target", minimum=0, maximum=1),
        Column(
            "label_source",
            "str",
            "delivered: the store's class in the label month; revenue_rule: the fall of the revenue until then, where the class "
            "is empty; vanished: the customer is in no file of the label month",
            values=vocabulary(*LABEL_SOURCES),
        ),
        Column(
            "copies",
            "int",
            "Number of the group of rows with identical features or of the same customer; folds never split a group",
            minimum=0,
        ),
        Column(
            "weight",
            "float",
            "How many customers this one represents: 1 / P(no offer in the months that may have influenced the label); 1 where "
            "nothing could be sent",
            minimum=1,
        ),
        Column(
            "offered_left_out",
            "int",
            "How many customers of the feature month are left out because an offer may have influenced their label",
            unit="customers",
            minimum=0,
        ),
    ),
    key=("feature_month", "customer_id"),
)

MODEL_EXPLANATION = Table(
    "model_explanation",
    "model",
    "One row per feature: what the champion loses on unseen customers when the feature is shuffled, and what the feature "
    "adds to their log-odds",
    (
        Column("feature", "str", "Feature"),
        *(
            Column(f"{metric}{end}", "float", text + which, unit="nats" if metric.startswith("log") else "")
            for metric, text in (("log_loss_increase", "Increase of log loss"), ("roc_auc_decrease", "Decrease of ROC-AUC"))
            for end, which in (
                ("", ""),
                ("_low", ", lower end of the 95 % interval"),
                ("_high", ", upper end of the 95 % interval"),
            )
        ),
        *(
            Column(
                f"mean_abs_contribution{end}",
                "float",
                "Mean absolute contribution to a customer's log-odds of declining" + which,
                unit="log-odds",
                minimum=0,
            )
            for end, which in (
                ("", ""),
                ("_low", ", lower end of the 95 % bootstrap interval over the sampled customers"),
                ("_high", ", upper end of the 95 % bootstrap interval over the sampled customers"),
            )
        ),
    ),
    key=("feature",),
)
