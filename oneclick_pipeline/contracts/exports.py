"""The four exports of the store: as lines of text, and as the typed tables that are made of them."""

from __future__ import annotations

from oneclick_pipeline.contracts.schema import Column, Table, vocabulary

CUSTOMER_ID = Column("customer_id", "int", "The store's number of the customer", group="key", header="id", minimum=0)

PERIODS_OF_REVENUE: dict[str, str | bool] = {"текущий_месяц": "m0", "предыдущий_месяц": "m1", "препредыдущий_месяц": "m2"}

PERIODS_OF_MINUTES: dict[str, str | bool] = {k: v for k, v in PERIODS_OF_REVENUE.items() if v != "m2"}

CUSTOMERS = Table(
    "customers",
    "clean",
    "One row per customer: who they are and how they behave",
    (
        CUSTOMER_ID,
        Column(
            "activity",
            "str",
            "The store's class of the customer's purchasing activity; empty where the store has not classified them yet",
            group="target",
            header="Покупательская активность",
            nullable=True,
            values={"Снизилась": "declined", "Прежний уровень": "stable"},
        ),
        Column(
            "service_level",
            "str",
            "Level of service the customer pays for",
            group="product",
            header="Тип сервиса",
            values={"стандарт": "standard", "премиум": "premium"},
        ),
        Column(
            "marketing_consent",
            "bool",
            "Whether the customer allows messages about offers",
            group="communication",
            header="Разрешить сообщать",
            values={"да": True, "нет": False},
        ),
        Column(
            "contacts_6m",
            "float",
            "Mean number of marketing contacts per month over the last six months",
            unit="contacts per month",
            group="communication",
            header="Маркет_актив_6_мес",
            minimum=0,
        ),
        Column(
            "contacts_month",
            "int",
            "Marketing contacts in the snapshot month",
            unit="contacts",
            group="communication",
            header="Маркет_актив_тек_мес",
            minimum=0,
        ),
        Column(
            "tenure_days",
            "int",
            "Days since the customer registered",
            unit="days",
            group="customer",
            header="Длительность",
            minimum=0,
        ),
        Column(
            "promo_share",
            "float",
            "Share of purchases made at a discount, mean over the last six months",
            unit="share",
            group="product",
            header="Акционные_покупки",
            minimum=0,
            maximum=1,
        ),
        Column(
            "favourite_category",
            "str",
            "Category bought most often over the last six months; the store may add new ones",
            group="product",
            header="Популярная_категория",
            known=(
                "Домашний текстиль",
                "Косметика и аксессуары",
                "Кухонная посуда",
                "Мелкая бытовая техника и электроника",
                "Техника для красоты и здоровья",
                "Товары для детей",
            ),
        ),
        Column(
            "categories_per_visit",
            "float",
            "Mean number of categories viewed per visit over the last month",
            unit="categories a visit",
            group="site",
            header="Средний_просмотр_категорий_за_визит",
            minimum=0,
        ),
        Column(
            "unpaid_items",
            "int",
            "Items left unpaid in the basket over the last three months",
            unit="items",
            group="product",
            header="Неоплаченные_продукты_штук_квартал",
            minimum=0,
        ),
        Column(
            "service_errors",
            "int",
            "Site failures that the customer encountered",
            unit="errors",
            group="site",
            header="Ошибка_сервиса",
            minimum=0,
        ),
        Column(
            "pages_per_visit",
            "float",
            "Mean number of pages viewed per visit over the last three months",
            unit="pages a visit",
            group="site",
            header="Страниц_за_визит",
            minimum=0,
        ),
    ),
    key=("customer_id",),
    file="market_file",
)

REVENUE = Table(
    "revenue",
    "clean",
    "One row per customer and month: what they paid",
    (
        CUSTOMER_ID,
        Column(
            "period",
            "str",
            "Month: m0 the snapshot month, m1 and m2 the months before",
            group="key",
            header="Период",
            values=PERIODS_OF_REVENUE,
        ),
        Column(
            "revenue",
            "float",
            "Revenue from the customer in the month",
            unit="roubles",
            group="purchasing",
            header="Выручка",
            minimum=0,
            repairable=True,
        ),
    ),
    key=("customer_id", "period"),
    file="market_money",
)

SITE_MINUTES = Table(
    "site_minutes",
    "clean",
    "One row per customer and month: how long they were on the site",
    (
        CUSTOMER_ID,
        Column(
            "period",
            "str",
            "Month: m0 the snapshot month, m1 the month before",
            group="key",
            header="Период",
            values=PERIODS_OF_MINUTES,
        ),
        Column("minutes", "float", "Minutes on the site in the month", unit="minutes", group="site", header="минут", minimum=0),
    ),
    key=("customer_id", "period"),
    file="market_time",
)

PROFIT = Table(
    "profit",
    "clean",
    "One row per customer: what they earn the store",
    (
        CUSTOMER_ID,
        Column(
            "profit",
            "float",
            "Mean monthly profit from the customer over the snapshot's three months; may be negative",
            unit="finance units",
            group="value",
            header="Прибыль",
        ),
    ),
    key=("customer_id",),
    file="money",
)

SOURCES = (CUSTOMERS, REVENUE, SITE_MINUTES, PROFIT)

FILE = Column("file", "str", "Export file", values=vocabulary(*(s.file for s in SOURCES)))

LINE = Column("line", "int", "Line number in the file, the header being line 1", minimum=1)


def _raw_table(source: Table) -> Table:
    """The raw table of an export: the lines that are not plain, split into the columns' texts."""
    texts = tuple(Column(c.name, "str", f"«{c.header}» as delivered", header=c.header, nullable=True) for c in source.columns)
    problem = Column("problem", "str", "Why the line could not be split into its columns", nullable=True)
    excerpt = Column("excerpt", "str", "Beginning of a line that could not be split", nullable=True)
    return Table(
        source.file,
        "raw",
        f"One row per line of {source.file}.csv that is not plain: with quotes, a different number of fields from the "
        "header, or not UTF-8; every row, where the file had to be unpacked or rewritten. Plain lines are not "
        "copied: they are read from the file",
        (LINE, *texts, problem, excerpt),
        file=source.file,  # no key: the reader numbers the lines, so they need no check
    )


RAW = {source.file: _raw_table(source) for source in SOURCES}
