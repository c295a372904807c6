"""A provider on this machine: it speaks OpenAI's protocol over HTTP and bills by a price table of its own."""

from langchain_costguard.testing.loopback.behaviour import Behaviour
from langchain_costguard.testing.loopback.prices import ModelPrice
from langchain_costguard.testing.loopback.provider import LoopbackProvider
from langchain_costguard.testing.loopback.records import LoopbackRequest, TokenBill

__all__ = ["Behaviour", "LoopbackProvider", "LoopbackRequest", "ModelPrice", "TokenBill"]
