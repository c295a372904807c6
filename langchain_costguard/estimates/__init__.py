"""What a request will cost, before it is sent."""

from langchain_costguard.estimates.asking import estimate_cost
from langchain_costguard.estimates.estimate import CostEstimate, CostEstimates

__all__ = ["CostEstimate", "CostEstimates", "estimate_cost"]
