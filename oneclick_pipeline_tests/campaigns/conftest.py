"""Files of outcomes from elsewhere."""

import pytest

GOOD = "customer_id,offer_id,revenue\n1,control,10\n2,control,11\n3,voucher,12\n4,voucher,14\n"


@pytest.fixture
def write(tmp_path):
    """Write a file of outcomes."""

    def write(content):
        path = tmp_path / "outcomes.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write
