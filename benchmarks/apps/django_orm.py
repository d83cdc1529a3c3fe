"""Django's ASGI application, its asynchronous views and its ORM, on psycopg's pool, in one file.

`daphne django_orm:application`, or `uvicorn django_orm:application`.
"""

import json
import os
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.db import models
from django.http import Http404, HttpRequest, JsonResponse
from django.urls import path
from uuid_utils.compat import uuid7

_url = urlsplit(os.environ["DATABASE"])
_pool = {"min_size": int(os.environ["POOL"]), "max_size": int(os.environ["POOL"])}

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": _url.path.strip("/"),
            "USER": _url.username,
            "HOST": parse_qs(_url.query)["host"][0],
            "PORT": parse_qs(_url.query)["port"][0],
            "OPTIONS": {"pool": _pool},
        }
    },
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of a benchmark",  # noqa: S106 - It signs nothing.
    USE_TZ=True,
)
django.setup()


class Order(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7)
    reference = models.CharField(max_length=64, unique=True)
    amount = models.DecimalField(max_digits=19, decimal_places=2)
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=16, default="placed")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    version = models.IntegerField(default=1)

    class Meta:
        app_label = "orders"
        db_table = "orders"

    def __str__(self) -> str:
        return self.reference


def shown(order: Order) -> dict[str, Any]:
    return {
        "id": order.id,
        "reference": order.reference,
        "amount": order.amount,
        "currency": order.currency,
        "status": order.status,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
    }


async def livez(_: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


async def get_order(_: HttpRequest, order_id: UUID) -> JsonResponse:
    try:
        return JsonResponse(shown(await Order.objects.aget(pk=order_id)))
    except Order.DoesNotExist:
        raise Http404 from None


async def orders(request: HttpRequest) -> JsonResponse:
    if request.method == "POST":
        new = json.loads(request.body)
        order = await Order.objects.acreate(**new)
        return JsonResponse(shown(order), status=201)
    limit = int(request.GET.get("limit", "20"))
    rows = [row async for row in Order.objects.order_by("-id")[: limit + 1]]
    last = rows[limit - 1].id if len(rows) > limit else None
    return JsonResponse({"items": [shown(row) for row in rows[:limit]], "next_cursor": last})


urlpatterns = [
    path("livez", livez),
    path("v1/orders", orders),
    path("v1/orders/<uuid:order_id>", get_order),
]
application = get_asgi_application()
