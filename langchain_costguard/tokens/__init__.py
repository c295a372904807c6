"""How many tokens a prompt has before anybody was asked to read it, without ever touching the network.

Two kinds of answer. A bound is a promise: never below what a provider will count. A count is an estimate, and says how
it was made. Both exist for a text (`byte_bound`, `count_tokens`) and for a whole request with its messages, tools,
schema and images (`bound_message_tokens`, `count_message_tokens`).
"""

from langchain_costguard.exceptions import UnboundedInputError
from langchain_costguard.tokens.counting import TokenCount, byte_bound, count_tokens
from langchain_costguard.tokens.messages import bound_message_tokens, count_message_tokens

__all__ = [
    "TokenCount",
    "UnboundedInputError",
    "bound_message_tokens",
    "byte_bound",
    "count_message_tokens",
    "count_tokens",
]
