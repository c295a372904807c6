"""What a bill is: plans that turn usage into one, and the comparison of plans."""

from langchain_costguard.pricing.plans.bill import Bill, BillLine
from langchain_costguard.pricing.plans.compare import PlanComparison, PlanCost, VolumeRange, compare_plans
from langchain_costguard.pricing.plans.pay_as_you_go import PayAsYouGo
from langchain_costguard.pricing.plans.plan import Plan
from langchain_costguard.pricing.plans.prepaid import Credit, Prepaid
from langchain_costguard.pricing.plans.subscription import Subscription
from langchain_costguard.pricing.plans.usage import UsageRecord, usage_records

__all__ = [
    "Bill",
    "BillLine",
    "Credit",
    "PayAsYouGo",
    "Plan",
    "PlanComparison",
    "PlanCost",
    "Prepaid",
    "Subscription",
    "UsageRecord",
    "VolumeRange",
    "compare_plans",
    "usage_records",
]
