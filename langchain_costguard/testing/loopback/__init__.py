"""A provider on this machine: it speaks OpenAI's and Anthropic's protocols over HTTP and bills by its own prices."""

from langchain_costguard.testing.loopback.batch_behaviour import BatchBehaviour
from langchain_costguard.testing.loopback.batch_rules import BatchLimits
from langchain_costguard.testing.loopback.behaviour import Behaviour
from langchain_costguard.testing.loopback.damage import DAMAGES, Damage
from langchain_costguard.testing.loopback.faults import Fault
from langchain_costguard.testing.loopback.prices import ModelPrice
from langchain_costguard.testing.loopback.provider import LoopbackProvider
from langchain_costguard.testing.loopback.records import LoopbackRequest, TokenBill

__all__ = [
    "DAMAGES",
    "BatchBehaviour",
    "BatchLimits",
    "Behaviour",
    "Damage",
    "Fault",
    "LoopbackProvider",
    "LoopbackRequest",
    "ModelPrice",
    "TokenBill",
]
