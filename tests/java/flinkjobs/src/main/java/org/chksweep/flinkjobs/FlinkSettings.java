package org.chksweep.flinkjobs;

import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.util.EnvironmentInformation;

/** Flink's configuration for a job, from our options. */
final class FlinkSettings {
  /**
   * The interval with which Flink takes checkpoints that are asked for, and none by itself. The largest number means
   * that in Flink 2, which otherwise takes one at the job's start; Flink 1 cannot count it in nanoseconds.
   */
  private static final long NEVER_MS =
      EnvironmentInformation.getVersion().startsWith("1.") ? 1_000_000_000 : Long.MAX_VALUE;

  private final Options options;
  private final Shape shape;
  private final String checkpointDir;
  private final String workDir;
  private final Configuration conf = new Configuration();

  private FlinkSettings(Options options, Shape shape, String checkpointDir) {
    this.options = options;
    this.shape = shape;
    this.checkpointDir = checkpointDir;
    this.workDir = options.need("work-dir");
  }

  /** `intervalMs` of 0: no checkpoints but those that are asked for. */
  static Configuration forRun(Options options, Shape shape, String checkpointDir, long intervalMs) {
    FlinkSettings settings = new FlinkSettings(options, shape, checkpointDir);
    settings.set("execution.checkpointing.interval", (intervalMs == 0 ? NEVER_MS : intervalMs) + " ms");
    return settings.complete();
  }

  /** Without any checkpoint, unless the write-ahead sink needs one to hand on what it holds. */
  static Configuration forVerify(Options options, Shape shape, String checkpointDir) {
    FlinkSettings settings = new FlinkSettings(options, shape, checkpointDir);
    if (shape.wal()) {
      settings.set("execution.checkpointing.interval", NEVER_MS + " ms");
    }
    return settings.complete();
  }

  private Configuration complete() {
    checkpoints();
    stateBackend();
    machine();
    restart();
    String restore = options.get("restore", null);
    if (restore != null) {
      set("execution.state-recovery.path", restore);
      set("execution.state-recovery.claim-mode", options.get("mode", "NO_CLAIM"));
    }
    for (String option : options.flinkOptions()) {
      String[] pair = option.split("=", 2);
      set(pair[0], pair[1]);
    }
    return conf;
  }

  private void checkpoints() {
    String prefix = "execution.checkpointing.";
    set(prefix + "storage", "filesystem");
    set(prefix + "dir", checkpointDir);
    set(prefix + "incremental", options.get("incremental", "true"));
    set(prefix + "num-retained", options.get("retained", "1"));
    set(prefix + "data-inline-threshold", options.get("memory-threshold", "1kb"));
    set(prefix + "externalized-checkpoint-retention", options.get("retention", "RETAIN_ON_CANCELLATION"));
    set(prefix + "unaligned.enabled", shape.unaligned());
    set(prefix + "timeout", options.get("checkpoint-timeout", "120 s"));
    set(prefix + "tolerable-failed-checkpoints", options.get("tolerable-failed", "1000"));
    set(prefix + "max-concurrent-checkpoints", options.get("max-concurrent", "1"));
    set(prefix + "min-pause", options.get("min-pause", "0 ms"));
    if (shape.fileMerging()) {
      set(prefix + "file-merging.enabled", true);
      set(prefix + "file-merging.across-checkpoint-boundary", options.get("fm-across", "true"));
      set(prefix + "file-merging.max-file-size", options.get("fm-max-file-size", "32mb"));
    }
  }

  private void stateBackend() {
    set("state.backend.type", shape.state());
    set("state.changelog.enabled", shape.changelog());
    if (shape.changelog()) {
      set("state.changelog.storage", "filesystem");
      set("state.changelog.dstl.dfs.base-path", options.get("dstl-dir", checkpointDir));
      set("state.changelog.dstl.dfs.preemptive-persist-threshold", options.get("dstl-preemptive", "5MB"));
      set("state.changelog.periodic-materialize.interval", options.get("materialize-ms", "2000") + " ms");
    }
    if (shape.state().equals("forst")) {
      set("state.backend.forst.primary-dir", options.get("forst-dir", "checkpoint-dir"));
      set("state.backend.forst.local-dir", workDir + "/forst");
      set("state.backend.forst.cache.dir", workDir + "/forst-cache");
    }
    // With a small managed budget RocksDB of Flink 1 flushes and compacts all the time.
    set("state.backend.rocksdb.memory.managed", false);
    set("state.backend.forst.memory.managed", false);
    set("state.backend.rocksdb.localdir", workDir + "/rocksdb");
  }

  private void machine() {
    set("io.tmp.dirs", workDir + "/tmp");
    set("web.checkpoints.history", 10_000);
    set("taskmanager.memory.managed.size", "128m");
    set("taskmanager.memory.network.min", "64m");
    set("taskmanager.memory.network.max", "64m");
    set("taskmanager.memory.segment-size", "4kb");
    set("taskmanager.network.memory.buffer-debloat.enabled", false);
    set("rest.bind-address", "127.0.0.1");
    set("rest.bind-port", 0);
    set("rest.port", 0);
  }

  private void restart() {
    int restarts = options.integer("restarts", 0);
    set("restart-strategy.type", restarts == 0 ? "none" : "fixed-delay");
    if (restarts != 0) {
      set("restart-strategy.fixed-delay.attempts", restarts);
      set("restart-strategy.fixed-delay.delay", "100 ms");
    }
  }

  private void set(String key, Object value) {
    conf.setString(key, value.toString());
  }
}
