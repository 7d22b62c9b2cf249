//! Real partners for the tests: a NameNode with a DataNode, and Flink jobs.
