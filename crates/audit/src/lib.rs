//! Proves a plan before it is shown or carried out; shares no code with the planner.
