from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from chassis.database import Base
from sqlalchemy import CheckConstraint, DateTime, Enum, Index, Numeric, String, func
from sqlalchemy.orm import Mapped, mapped_column


class OrderStatus(StrEnum):
    PLACED = "placed"
    PAID = "paid"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


class Order(Base):
    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint("amount >= 0", name="amount_not_negative"),
        Index(None, "status", "id"),  # For pages of one status; the primary key is for pages of all.
    )
    # A UUIDv7 begins with the time, so the ids sort by age. PostgreSQL's clock makes them, as it makes `created_at`,
    # because the clocks of workers differ. Before PostgreSQL 18, use `default=uuid7` of the package uuid-utils.
    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    reference: Mapped[str] = mapped_column(String(64), unique=True)
    # Without a scale, NUMERIC keeps the decimals as given: 12.50 stays 12.50.
    amount: Mapped[Decimal] = mapped_column(Numeric)
    currency: Mapped[str] = mapped_column(String(3))
    status: Mapped[OrderStatus] = mapped_column(
        Enum(
            OrderStatus,
            name="known_status",
            native_enum=False,  # A check constraint is simpler to change than a type of PostgreSQL's.
            create_constraint=True,
            length=16,
            values_callable=lambda kind: [each.value for each in kind],
        ),
        default=OrderStatus.PLACED,
    )
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )
    version: Mapped[int] = mapped_column(default=1)

    # An UPDATE or DELETE matches only the version that was read. An UPDATE returns the new `updated_at`.
    __mapper_args__ = {"version_id_col": version, "eager_defaults": True}  # noqa: RUF012
