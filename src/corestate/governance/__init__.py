"""Agents under governance: what they may spend, where they are in their life, and what is kept of them."""

from corestate.governance.agent_state import AgentState
from corestate.governance.agents import GovernedAgents
from corestate.governance.budget import Budget, BudgetInfo, Reservation
from corestate.governance.budgets import Budgets

__all__ = ["AgentState", "Budget", "BudgetInfo", "Budgets", "GovernedAgents", "Reservation"]
