from chassis.errors import ServiceError


class RateUnavailable(ServiceError):
    status = 422
    slug = "rate-unavailable"
    title = "There is no exchange rate for this currency"
