//! Vocabulary of chksweep, and the reader of Flink's _metadata: no I/O, no clock.
