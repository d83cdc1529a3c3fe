from uuid import UUID

from chassis.database import Pool, ReplicaPool
from chassis.errors import problems
from chassis.idempotency import IdempotentSession, IdempotentTransaction
from chassis.pages import Cursor, Limit, Page, page
from chassis.preconditions import IfMatch, PreconditionFailed, etag, etag_header
from chassis.routing import Route
from fastapi import APIRouter, Response

from app.orders import service
from app.orders.errors import IllegalTransition, OrderExists, OrderNotFound
from app.orders.models import OrderStatus
from app.orders.schemas import OrderCreate, OrderRead, OrderRow, OrderUpdate

router = APIRouter(prefix="/v1/orders", tags=["orders"], route_class=Route)


@router.post("", status_code=201, responses=problems(OrderExists) | etag_header(201))
async def place_order(new: OrderCreate, transaction: IdempotentTransaction, response: Response) -> OrderRead:
    order = await service.place(transaction, new)
    response.headers["Location"] = f"{router.prefix}/{order.id}"
    return with_etag(order, response)


@router.get("")
async def list_orders(
    replica: ReplicaPool, status: OrderStatus | None = None, cursor: Cursor | None = None, limit: Limit = 20
) -> Page[OrderRead]:
    """List the newest orders first."""
    rows = await service.newest(replica, status=status, before=cursor, limit=limit + 1)
    return page(Page[OrderRead], rows, limit)


@router.get("/{order_id}", responses=problems(OrderNotFound) | etag_header())
async def get_order(order_id: UUID, pool: Pool, response: Response) -> OrderRead:
    order = await service.get(pool, order_id)
    return with_etag(order, response)


@router.patch("/{order_id}", responses=problems(OrderNotFound, IllegalTransition, PreconditionFailed) | etag_header())
async def change_order(
    order_id: UUID, change: OrderUpdate, if_match: IfMatch, session: IdempotentSession, response: Response
) -> OrderRead:
    order = await service.change_status(session, order_id, change.status, if_match)
    return with_etag(order, response)


@router.delete("/{order_id}", status_code=204, responses=problems(OrderNotFound, PreconditionFailed))
async def delete_order(order_id: UUID, if_match: IfMatch, session: IdempotentSession) -> None:
    await service.delete(session, order_id, if_match)


def with_etag(order: OrderRow, response: Response) -> OrderRead:
    response.headers["ETag"] = etag(order.version)
    return order
