"""Drift of the data, health of the model."""

from __future__ import annotations

from oneclick_pipeline.contracts.schema import Column, Table, vocabulary

WATCHED = ("feature", "score", "share", "category")

LEVELS = ("stable", "moderate", "shifted")
"""Severity: within all limits, beyond the one that warns, beyond the one that asks for a new model."""

_LEVEL_TEXT = "stable; moderate: beyond the settings' limit that warns, shifted: beyond the hard one, both beyond chance; "

DRIFT = Table(
    "drift",
    "monitoring",
    "One row per monitored figure: the month compared with the one in which the champion was trained",
    (
        Column(
            "kind",
            "str",
            "feature, score: how it is distributed among regular customers; share: of the snapshot as a whole; category: share "
            "of regular customers whose category did not exist in the reference month",
            values=vocabulary(*WATCHED),
        ),
        Column("name", "str", "Feature, p_decline, or name of the share"),
        Column("category", "str", "The new category (cut after 200 characters); empty for all together and for other kinds"),
        Column(
            "reference_month", "str", "Month in which the champion was trained; empty where there is no champion", nullable=True
        ),
        Column("model_version", "int", "Version of the champion; empty where there is none", nullable=True, minimum=1),
        Column("customers", "int", "Customers that are compared; for quarantine_share, rows", minimum=0),
        Column("reference_customers", "int", "The same in the reference month", nullable=True, minimum=0),
        Column("bins", "int", "Bins that hold any customers in either month", nullable=True, minimum=0),
        Column(
            "psi",
            "float",
            "Population stability index, bins by the reference month; 0 where nothing moved",
            nullable=True,
            minimum=0,
        ),
        *(
            Column(f"psi_{end}", "float", f"{which} end of its 95 % bootstrap interval", nullable=True, minimum=0)
            for end, which in (("low", "Lower"), ("high", "Upper"))
        ),
        Column("psi_chance", "float", "Average PSI if nothing has moved: (bins - 1)(1/n + 1/m)", nullable=True, minimum=0),
        Column("count", "int", "Customers, or rows, that the share counts", nullable=True, minimum=0),
        Column("value", "float", "The share; for `customers`, how many there are", nullable=True, minimum=0),
        Column("reference", "float", "The same in the reference month", nullable=True, minimum=0),
        *(
            Column(
                f"difference{end}",
                "float",
                f"Share less that of the reference month{text}; for `customers`, the relative change, counted rather than "
                "sampled",
                nullable=True,
            )
            for end, text in (
                ("", ""),
                ("_low", ", lower end of the 95 % interval"),
                ("_high", ", upper end of the 95 % interval"),
            )
        ),
        Column(
            "status",
            "str",
            _LEVEL_TEXT + "not_enough_data; no_reference: no table of the reference month, or scores of another model",
            values=vocabulary(*LEVELS, "not_enough_data", "no_reference"),
        ),
    ),
    key=("kind", "name", "category"),
)

MODEL_HEALTH = Table(
    "model_health",
    "monitoring",
    "One row per earlier month whose outcomes are known, and one for all months of a model: what was predicted and what "
    "happened. Covers regular customers who have got no offer since, weighted by 1 / probability of getting none; months "
    "that were scored "
    "by a model of a later month are left out",
    (
        Column("feature_month", "str", "Month of the scores, or `all`"),
        Column("model_version", "int", "Version that scored", minimum=1),
        Column("label_month", "str", "Month that shows their outcome; empty for `all`", nullable=True),
        Column("customers", "int", "Customers whose scores are evaluated", minimum=0),
        Column("declined", "int", "How many of them declined", minimum=0),
        Column(
            "effective_customers",
            "float",
            "How many customers of equal weight carry as much information: (sum of w)^2 / sum of w^2",
            minimum=0,
        ),
        Column("offered_left_out", "int", "Left out because they got an offer before the outcome", minimum=0),
        Column(
            "in_sample_left_out",
            "int",
            "Left out because the model was trained on their month and the score is not out of fold",
            minimum=0,
        ),
        *(
            Column(f"{name}{end}", "float", f"{text}{which}", nullable=True)
            for name, text in (
                ("roc_auc", "ROC-AUC"),
                ("log_loss", "Log loss, nats"),
                ("brier", "Brier score"),
                ("expected", "Mean p_decline"),
                ("observed", "Share that declined"),
                ("gap", "Mean p_decline less share that declined"),
                ("ece", "Expected calibration error over tenths of probability"),
            )
            for end, which in (
                ("", ""),
                ("_low", ", lower end of the 95 % interval"),
                ("_high", ", upper end of the 95 % interval"),
            )
        ),
        Column("ece_chance", "float", "Average ece if every p_decline is right", nullable=True, minimum=0),
        Column("roc_auc_at_training", "float", "Out-of-fold ROC-AUC of the version when it was trained", nullable=True),
        *(
            Column(name, "str", f"{what}: {_LEVEL_TEXT}not_enough_data", values=vocabulary(*LEVELS, "not_enough_data"))
            for name, what in (("calibration", "By ece"), ("ranking", "For ROC-AUC, relative to roc_auc_at_training"))
        ),
    ),
    key=("feature_month", "model_version"),
)
