from uuid import UUID

from fastapi import APIRouter, HTTPException
from fastapi.param_functions import Depends
from peer.db.dao.order_dao import OrderDAO
from peer.db.models.order_model import OrderModel
from peer.web.api.orders.schema import OrderDTO, OrderInputDTO, OrderPageDTO

router = APIRouter()


@router.get("/{order_id}", response_model=OrderDTO)
async def get_order(order_id: UUID, order_dao: OrderDAO = Depends()) -> OrderModel:
    order = await order_dao.get_order(order_id)
    if order is None:
        raise HTTPException(404)
    return order


@router.get("")
async def get_orders(limit: int = 20, order_dao: OrderDAO = Depends()) -> OrderPageDTO:
    rows = await order_dao.newest_orders(limit + 1)
    last = str(rows[limit - 1].id) if len(rows) > limit else None
    return OrderPageDTO(items=[OrderDTO.model_validate(row) for row in rows[:limit]], next_cursor=last)


@router.post("", status_code=201, response_model=OrderDTO)
async def create_order(new_order: OrderInputDTO, order_dao: OrderDAO = Depends()) -> OrderModel:
    return await order_dao.create_order(**new_order.model_dump())
