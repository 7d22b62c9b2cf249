package org.chksweep.flinkjobs;

import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.fs.FileSystem;

/** Restores a checkpoint or savepoint and compares the state of every key with what it must be. */
final class Verify {
  private static final int EXAMPLES = 3;
  private static final long WRITE_AHEAD_WAIT_MS = 20_000;

  private final Options options;
  private final Shape shape;

  /** The parent gives no orders here, but this process must not outlive it. */
  Verify(Options options, Parent parent) {
    this.options = options;
    this.shape = Shape.of(options);
    options.need("restore");
  }

  /** A job that Flink cannot restore is an answer ("ok":false), not a failure. */
  Map<String, Object> carryOut() throws Exception {
    String scratch = Paths.get(options.need("work-dir"), "checkpoints").toAbsolutePath().toUri().toString();
    Configuration conf = FlinkSettings.forVerify(options, shape, scratch);
    FileSystem.initialize(conf, null);
    try {
      RunningJob job = new RunningJob(options, shape, conf, Pipeline.forVerify(options, shape, conf));
      while (Control.keysRight.get() + Control.keysWrong.size() < shape.keys()) {
        job.check();
        Thread.sleep(10);
      }
      if (shape.wal() && Control.keysWrong.isEmpty()) {
        awaitWriteAheadRecords(job);
      }
    } catch (JobFailed e) {
      return result(Main.chain(e));
    }
    return result(null);
  }

  /** The sink hands its pending records on when a checkpoint completes. */
  private void awaitWriteAheadRecords(RunningJob job) throws Exception {
    job.await(job.triggerCheckpoint());
    long want = Control.positions.values().stream().mapToLong(Long::longValue).sum();
    long until = System.currentTimeMillis() + WRITE_AHEAD_WAIT_MS;
    while (Control.writeAheadRecords.get() < want && System.currentTimeMillis() < until) {
      job.check();
      Thread.sleep(20);
    }
    if (Control.writeAheadRecords.get() != want) {
      Control.writeAheadWrong.add("write-ahead records: want " + want + " got " + Control.writeAheadRecords.get());
    }
  }

  private Map<String, Object> result(String error) {
    List<String> wrong = new ArrayList<>(Control.keysWrong);
    wrong.addAll(Control.writeAheadWrong);
    long withState = Control.keysWithState.get();
    Map<String, Object> result = new LinkedHashMap<>();
    result.put("ok", error == null && wrong.isEmpty() && withState > 0);
    result.put("error", error);
    result.put("keys", shape.keys());
    result.put("keysRight", Control.keysRight.get());
    result.put("keysWithState", withState);
    result.put("wrong", wrong.size());
    result.put("examples", wrong.subList(0, Math.min(EXAMPLES, wrong.size())));
    result.put("writeAheadRecords", Control.writeAheadRecords.get());
    return result;
  }
}
