"""The offers file of a month: what the CRM loads and sends.

HOME/exports/<month>/offers.csv holds the customers who get an offer, and no one else: controls and the held-out are not
in it. It is UTF-8 with a byte order mark and semicolons, which Russian Excel opens with a double click, and every CRM
reads. It is written once; what was sent cannot be unsent, so another plan of the same month needs `replan`, and the
old file is kept beside the new one.
"""

from __future__ import annotations

import calendar
import hashlib
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from oneclick_pipeline.catalogue import messages
from oneclick_pipeline.errors import AlreadyPublishedError, BadInputError
from oneclick_pipeline.home import write_once
from oneclick_pipeline.home.months import add_months
from oneclick_pipeline.home.paths import offers_file

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import polars as pl

    from oneclick_pipeline.catalogue.reader import Catalogue

COLUMNS = ("customer_id", "offer_id", "message", "channel", "valid_from", "valid_to")
"""Columns of the file."""

SEPARATOR = ";"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True)
class Exported:
    """A month's offers file.

    Attributes:
        path: Its path.
        rows: Customers in it.
        digest: Hash of its bytes.
        written: Whether it was written now; False if the same content was already there.
        replaced: Where the file that it replaced is kept, None where it replaced none.
    """

    path: Path
    rows: int
    digest: str
    written: bool
    replaced: Path | None = None


def offers_frame(plan: pd.DataFrame, features: pd.DataFrame, catalogue: Catalogue, month: str) -> pd.DataFrame:
    """Who gets which offer, with the message to send.

    Args:
        plan: `contracts.offers.OFFER_PLAN` of the month.
        features: `contracts.customers.CUSTOMER_FEATURES` of it.
        catalogue: The offers with their messages.
        month: Snapshot month. The offers are made in the month after it, so they are valid from its first day to its last.

    Returns:
        The columns `COLUMNS`, texts as they are, one row per customer of arm offer, by customer_id.

    Raises:
        BadInputError: If the plan offers to a customer without a known consent or who is not in `features`, or an offer
            that is not in the catalogue, or whose message cannot be filled.
    """
    import pandas as pd

    first, last = _days(add_months(month, 1))
    offered = plan.loc[plan["arm"] == "offer", ["customer_id", "offer_id"]].sort_values("customer_id")
    customers = offered.merge(features, on="customer_id", how="left", validate="one_to_one")
    _allowed(customers, month)
    parts = []
    for offer_id, group in customers.groupby("offer_id", sort=True, dropna=False):
        offer = catalogue[str(offer_id)]
        texts = messages.fill(offer, group, "ru")
        rows = group[["customer_id", "offer_id"]]
        parts.append(rows.assign(message=texts, channel=offer.channel, valid_from=first, valid_to=last))
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype="int64" if name == "customer_id" else "str") for name in COLUMNS})
    return pd.concat(parts).sort_values("customer_id", ignore_index=True)[list(COLUMNS)]


def write_export(
    home: Path, month: str, plan: pd.DataFrame, features: pd.DataFrame, catalogue: Catalogue, *, replan: bool = False
) -> Exported:
    """Write the offers file of a month, once.

    Args:
        home: Home whose file it is.
        month: Snapshot month.
        plan: See `offers_frame`.
        features: See `offers_frame`.
        catalogue: See `offers_frame`.
        replan: Whether a file with another content may be replaced; it is kept as offers.replaced-1.csv, -2 and so on.

    Returns:
        The file. If the same content exists, nothing is written.

    Raises:
        BadInputError: If another content was exported before and `replan` is False; see also `offers_frame`. Whatever
            goes wrong, the old file is unchanged.
    """
    target = offers_file(home, month)
    frame = offers_frame(plan, features, catalogue, month)
    content = _csv(frame)
    digest = hashlib.sha256(content).hexdigest()[:32]
    try:
        old = target.read_bytes() if target.exists() else None
        if old == content:
            return Exported(target, len(frame), digest, written=False)
        if old is not None and not replan:
            raise AlreadyPublishedError(
                f"another plan for {month} was already published, and its offers may have been sent",
                file=str(target),
                remedy="keep it, or replace it with the new plan by --replan; the old file is then kept beside it",
            )
        replaced = None if old is None else write_once.keep(target)
        write_once.write(target, content, replace=old is not None)
    except OSError as error:
        remedy = "choose another --home, or fix its permissions"
        raise BadInputError(f"the offers file cannot be written: {error.strerror}", file=str(target), remedy=remedy) from error
    return Exported(target, len(frame), digest, written=True, replaced=replaced)


def _allowed(customers: pd.DataFrame, month: str) -> None:
    """The last guard before messages leave the company: consent of everyone in the file.

    Raises:
        BadInputError: If a customer's consent is not known to be given.
    """
    consent = customers["marketing_consent"].astype("boolean").fillna(value=False).astype(bool)
    if not consent.all():
        raise BadInputError(
            f"the plan of {month} gives offers to {int((~consent).sum()):,} customers without known consent to messages",
            column="marketing_consent",
            value=str(customers.loc[~consent, "customer_id"].iloc[0]),
            remedy="run the month again, so that plan and features match",
        )


def _csv(frame: pd.DataFrame) -> bytes:
    """The rows as CSV. A text that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV Injection)."""
    import polars as pl

    texts = [name for name in COLUMNS if name != "customer_id"]
    harmless = [pl.when(_risky(name)).then(pl.lit("'") + pl.col(name)).otherwise(pl.col(name)).alias(name) for name in texts]
    table = pl.DataFrame(
        {name: pl.Series(frame[name].to_list(), dtype=pl.Int64 if name == "customer_id" else pl.String) for name in COLUMNS}
    )
    out = BytesIO()
    table.with_columns(harmless).write_csv(out, include_bom=True, separator=SEPARATOR, line_terminator="\r\n")
    return out.getvalue()


def _risky(name: str) -> pl.Expr:
    """Whether a text begins, blanks aside, like a formula."""
    import polars as pl

    return pl.any_horizontal(*(pl.col(name).str.strip_chars_start(" ").str.starts_with(sign) for sign in _FORMULA))


def _days(month: str) -> tuple[str, str]:
    """First and last day of a month, ISO 8601.

    >>> _days("2026-02")
    ('2026-02-01', '2026-02-28')
    """
    length = calendar.monthrange(int(month[:4]), int(month[5:]))[1]
    return f"{month}-01", f"{month}-{length}"
