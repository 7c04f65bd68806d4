"""What exploration finds out about columns and pairs of columns."""

from __future__ import annotations

from oneclick_pipeline.contracts.schema import Column, Table, vocabulary

DATA_PROFILE = Table(
    "data_profile",
    "exploration",
    "One row per column of customer_features: how it is distributed among regular customers",
    (
        Column("column", "str", "Column of customer_features"),
        Column("feature_group", "str", "Feature group of the column"),
        Column("kind", "str", "Type of the column", values=vocabulary("int", "float", "bool", "str")),
        Column("rows", "int", "Customers", minimum=0),
        Column("missing", "int", "Customers without a value", minimum=0),
        Column("distinct", "int", "Different values", minimum=0),
        Column("top_value", "str", "Most frequent value", nullable=True),
        Column("top_share", "float", "Share of the most frequent value", unit="share", nullable=True, minimum=0, maximum=1),
        *(
            Column(name, "float", text, nullable=True)
            for name, text in (
                ("mean", "Mean"),
                ("sd", "Standard deviation"),
                ("minimum", "Smallest value"),
                ("q05", "5 % quantile"),
                ("q25", "25 % quantile"),
                ("median", "Median"),
                ("q75", "75 % quantile"),
                ("q95", "95 % quantile"),
                ("maximum", "Largest value"),
                ("skewness", "Skewness; 0 for a symmetric distribution"),
            )
        ),
        Column("outliers", "int", "Values beyond 1.5 interquartile ranges from the quartiles (Tukey)", nullable=True, minimum=0),
        Column("normality_test", "str", "Name of the normality test", nullable=True),
        Column("normality_statistic", "float", "Statistic of the normality test", nullable=True),
        Column("normality_p", "float", "p-value of the normality test", nullable=True, minimum=0, maximum=1),
        Column("normal", "bool", "Whether normality is not rejected at the level of the settings", nullable=True),
    ),
    key=("column",),
)

CORRELATIONS = Table(
    "correlations",
    "exploration",
    "One row per pair of columns: how strongly they depend on each other, among regular customers",
    (
        Column("column_a", "str", "First column"),
        Column("column_b", "str", "Second column"),
        Column("phik", "float", "phik correlation, 0 (independent) to 1", minimum=0, maximum=1),
        Column("significance", "float", "Significance of the dependence, in standard deviations", nullable=True),
        Column("collinear", "bool", "Two features whose phik is above the collinearity threshold of the settings"),
    ),
    key=("column_a", "column_b"),
)
