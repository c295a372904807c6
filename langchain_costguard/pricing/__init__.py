"""What a call costs: price lists, the user's own prices, and the book that applies them."""

from langchain_costguard.pricing.book import PriceBook, UnknownPolicy
from langchain_costguard.pricing.busy import BusyClock
from langchain_costguard.pricing.catalog import Catalog
from langchain_costguard.pricing.names import provider_of_host
from langchain_costguard.pricing.quotes import free, gpu_hour, per_call, per_token
from langchain_costguard.pricing.rates import Price, RateCard

__all__ = [
    "BusyClock",
    "Catalog",
    "Price",
    "PriceBook",
    "RateCard",
    "UnknownPolicy",
    "free",
    "gpu_hour",
    "per_call",
    "per_token",
    "provider_of_host",
]
