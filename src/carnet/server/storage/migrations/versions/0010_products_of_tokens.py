"""
Admin tokens that may touch only some products, and customers recorded by them.

Revision: 0010. Frozen: later changes are scripts of their own. `storage/tables/` says what the columns mean.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """
    Add a column that may be null, and a table: no row is rewritten.

    A program of the revision before goes on, and lets a token that is limited to products do nothing: its scopes are
    stored in words that such a program does not know (docs/decisions/0064-tokens-limited-to-products.md).
    """
    op.add_column("api_keys", sa.Column("products", sa.Text(), nullable=True))
    op.create_table(
        "customer_products",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_customer_products_customer_id"),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name="fk_customer_products_product_id"),
        sa.PrimaryKeyConstraint("customer_id", "product_id", name="pk_customer_products"),
    )
