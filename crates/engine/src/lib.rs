//! Touches the storage: collects before a plan, carries a verified plan out after it.
