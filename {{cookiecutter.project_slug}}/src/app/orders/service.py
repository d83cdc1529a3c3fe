"""The rules of orders. No function commits: the dependencies do, before the response is sent."""

from uuid import UUID

from chassis.database import Executor, Statement, Transaction, violations
from chassis.preconditions import Precondition
from sqlalchemy import bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.orders.errors import IllegalTransition, OrderExists, OrderNotFound
from app.orders.models import Order, OrderStatus
from app.orders.schemas import OrderCreate, OrderRow

TRANSITIONS = {
    OrderStatus.PLACED: {OrderStatus.PAID, OrderStatus.CANCELLED},
    OrderStatus.PAID: {OrderStatus.SHIPPED, OrderStatus.CANCELLED},
    OrderStatus.SHIPPED: {OrderStatus.DELIVERED},
    OrderStatus.DELIVERED: set(),
    OrderStatus.CANCELLED: set(),
}


_BY_ID = Statement(OrderRow, select(Order).where(Order.id == bindparam("id")))
_NEWEST = Statement(
    OrderRow,
    select(Order).order_by(Order.id.desc()).limit(bindparam("limit")),
    status=Order.status == bindparam("status"),
    before=Order.id < bindparam("before"),
)
_PLACE = Statement(
    OrderRow,
    insert(Order)
    .values(reference=bindparam("reference"), amount=bindparam("amount"), currency=bindparam("currency"))
    .returning(Order),
)


async def place(transaction: Transaction, new: OrderCreate) -> OrderRow:
    with violations(uq_orders_reference=OrderExists(f"The reference {new.reference} is taken")):
        return await _PLACE.one(transaction, **new.model_dump())


async def get(executor: Executor, order_id: UUID) -> OrderRow:
    order = await _BY_ID.one_or_none(executor, id=order_id)
    if order is None:
        raise _not_found(order_id)
    return order


async def newest(executor: Executor, *, status: OrderStatus | None, before: UUID | None, limit: int) -> list[OrderRow]:
    """Return up to `limit` orders, the newest first, of those older than `before`."""
    return await _NEWEST.all(executor, status=status, before=before, limit=limit)


async def change_status(session: AsyncSession, order_id: UUID, status: OrderStatus, if_match: Precondition) -> OrderRow:
    order = await _loaded(session, order_id)
    if_match.check(order.version)
    if status not in TRANSITIONS[order.status]:
        raise IllegalTransition(f"An order that is {order.status} cannot become {status}")
    order.status = status
    await session.flush()
    return OrderRow.model_validate(order)


async def delete(session: AsyncSession, order_id: UUID, if_match: Precondition) -> None:
    order = await _loaded(session, order_id)
    if_match.check(order.version)
    await session.delete(order)


async def _loaded(session: AsyncSession, order_id: UUID) -> Order:
    order = await session.get(Order, order_id)
    if order is None:
        raise _not_found(order_id)
    return order


def _not_found(order_id: UUID) -> OrderNotFound:
    return OrderNotFound(f"No order has the id {order_id}")
