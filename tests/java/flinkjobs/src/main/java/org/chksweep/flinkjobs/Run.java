package org.chksweep.flinkjobs;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.core.fs.FileStatus;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.core.fs.Path;
import org.apache.flink.runtime.util.EnvironmentInformation;

/** A job that takes its checkpoints, meets the mishaps it was asked to meet, and ends as it was asked to. */
final class Run {
  private static final int SPARE_ATTEMPTS = 20;
  private static final long FOR_EVER_MS = 3_600_000;

  private final Options options;
  private final Parent parent;
  private final Shape shape;
  private final String checkpointDir;
  private final boolean periodic;
  private final long intervalMs;
  private final int checkpoints;
  private final Set<Integer> decline;
  private final Set<Integer> expire;
  private final int failAfter;
  private final String savepointDir;
  private final SavepointFormatType savepointFormat;
  private final int savepointAt;
  private final boolean drain;
  private final boolean hold;
  private final String end;
  private final long crashDelayMs;
  private final long haltAtBytes;

  private final long startedMs = System.currentTimeMillis();
  private final List<String> savepoints = new ArrayList<>();
  private final List<String> notes = new ArrayList<>();
  private final Set<String> reported = new HashSet<>();
  private RunningJob job;

  Run(Options options, Parent parent) {
    this.options = options;
    this.parent = parent;
    shape = Shape.of(options);
    checkpointDir = options.need("ckpt-dir");
    periodic = options.get("trigger", "manual").equals("periodic");
    intervalMs = options.number("interval-ms", 500);
    checkpoints = options.integer("checkpoints", 3);
    decline = options.integers("decline-at");
    expire = options.integers("expire-at");
    failAfter = options.integer("fail-after", -1);
    savepointDir = options.get("savepoint-dir", null);
    savepointFormat = options.get("savepoint-format", "canonical").equals("native")
        ? SavepointFormatType.NATIVE : SavepointFormatType.CANONICAL;
    savepointAt = options.integer("savepoint-at", checkpoints);
    drain = options.flag("drain", false);
    hold = options.flag("hold", false);
    end = options.get("end", "cancel");
    crashDelayMs = options.number("crash-delay-ms", 500);
    haltAtBytes = options.number("halt-at-bytes", 0);
  }

  Map<String, Object> carryOut() throws Exception {
    Configuration conf = FlinkSettings.forRun(options, shape, checkpointDir, periodic ? intervalMs : 0);
    FileSystem.initialize(conf, null);
    job = new RunningJob(options, shape, conf, Pipeline.forRun(options, shape, conf));
    job.awaitRunning();
    Answers.event("running", Map.of("jobId", job.id.toString(), "jobDir", jobDir()));
    if (periodic) {
      while (reportCompleted() < checkpoints) {
        job.check();
        Thread.sleep(5);
      }
    } else {
      takeCheckpoints();
    }
    if (hold) {
      obeyParent();
    }
    return endJob();
  }

  private String jobDir() {
    return checkpointDir + (checkpointDir.endsWith("/") ? "" : "/") + job.id;
  }

  /** Tells the caller of checkpoints it has not been told of; returns how many there are in all. */
  private int reportCompleted() throws Exception {
    List<String> all = job.completed();
    for (String path : all) {
      if (reported.add(path)) {
        Answers.event("checkpoint", Map.of("path", path));
      }
    }
    return all.size();
  }

  private void takeCheckpoints() throws Exception {
    int taken = 0;
    for (int attempt = 1; taken < checkpoints; attempt++) {
      Thread.sleep(intervalMs);
      job.check();
      if (decline.contains(attempt)) {
        Control.gate = Control.Gate.THROW;
      } else if (expire.contains(attempt)) {
        Control.gateBlockMs = FOR_EVER_MS;
        Control.gate = Control.Gate.BLOCK;
      }
      if (takeCheckpoint(attempt)) {
        taken++;
        afterCheckpoint(taken);
      }
    }
  }

  private boolean takeCheckpoint(int attempt) throws Exception {
    try {
      job.await(job.triggerCheckpoint());
      reportCompleted();
      return true;
    } catch (JobFailed e) {
      if (attempt > checkpoints + SPARE_ATTEMPTS) {
        throw e;
      }
      notes.add("attempt " + attempt + " failed: " + Main.chain(e));
      job.awaitRunning();
      return false;
    } finally {
      Control.gate = Control.Gate.OPEN;
    }
  }

  private void afterCheckpoint(int taken) throws Exception {
    if (taken == savepointAt && savepointDir != null && !end.equals("savepoint-stop")) {
      savepoints.add(job.savepoint(savepointDir, savepointFormat));
    }
    if (taken == failAfter) {
      Control.throwNow = true;
      while (Control.throwNow) {
        job.check();
        Thread.sleep(10);
      }
      notes.add("made the job fail once after checkpoint " + taken);
      job.awaitRestarted();
    }
  }

  private void obeyParent() throws Exception {
    Answers.event("holding", Map.of());
    while (true) {
      job.check();
      reportCompleted();
      String word = parent.next(100);
      if ("end".equals(word)) {
        return;
      } else if ("checkpoint".equals(word)) {
        job.await(job.triggerCheckpoint());
      } else if (word != null) {
        throw new IllegalArgumentException("a held job does not know: " + word);
      }
    }
  }

  private Map<String, Object> endJob() throws Exception {
    switch (end) {
      case "cancel":
        job.cancel();
        return ended();
      case "cancel-mid":
        notes.add("cancelled with checkpoint " + blockCheckpoint() + " in progress");
        job.cancel();
        return ended();
      case "fail":
        Control.throwNow = true;
        return ended();
      case "savepoint-stop":
        savepoints.add(job.stopWithSavepoint(savepointDir, drain, savepointFormat));
        return ended();
      case "crash":
        return result(null, job.completed());
      case "crash-mid":
        notes.add("halted with checkpoint " + blockCheckpoint() + " in progress");
        return result(null, job.completed());
      case "crash-metadata":
        return awaitMetadataInProgress();
      default:
        throw new IllegalArgumentException("--end " + end);
    }
  }

  private Map<String, Object> ended() throws Exception {
    JobStatus status = job.status();
    Map<String, Object> result = result(status, job.completed());
    job.close();
    return result;
  }

  /** Leaves a checkpoint in progress: keyed state uploaded, the gate not acknowledged. Returns its number. */
  private long blockCheckpoint() throws Exception {
    Thread.sleep(intervalMs);
    Control.gateBlockMs = FOR_EVER_MS;
    Control.gate = Control.Gate.BLOCK;
    job.triggerCheckpoint();
    while (Control.gateReachedCheckpoint < 0) {
      job.check();
      Thread.sleep(5);
    }
    Thread.sleep(crashDelayMs);
    return Control.gateReachedCheckpoint;
  }

  /**
   * Halts this process at the sight of a temporary metadata file. It is there for a few milliseconds, so the answer is
   * made ready before.
   */
  private Map<String, Object> awaitMetadataInProgress() throws Exception {
    Thread.sleep(intervalMs);
    String answer = Answers.resultLine(result(null, job.completed()));
    Path dir = new Path(jobDir());
    FileSystem fs = dir.getFileSystem();
    CompletableFuture<String> checkpoint = job.triggerCheckpoint();
    while (!checkpoint.isDone()) {
      for (FileStatus entry : fs.listStatus(dir)) {
        if (entry.getPath().getName().startsWith("chk-") && !reported.contains(entry.getPath().toString())) {
          for (FileStatus file : orNone(fs, entry.getPath())) {
            if (file.getPath().getName().contains("inprogress") && file.getLen() >= haltAtBytes) {
              Answers.print(answer);
              Runtime.getRuntime().halt(0);
            }
          }
        }
      }
    }
    throw new IllegalStateException("the metadata was written before it was seen in progress; give it more state");
  }

  /** What is in a directory that may be gone at any moment. */
  private static FileStatus[] orNone(FileSystem fs, Path dir) {
    try {
      FileStatus[] found = fs.listStatus(dir);
      return found == null ? new FileStatus[0] : found;
    } catch (IOException e) {
      return new FileStatus[0];
    }
  }

  private Map<String, Object> result(JobStatus status, List<String> completed) {
    Map<String, Object> result = new LinkedHashMap<>();
    result.put("flink", EnvironmentInformation.getVersion());
    result.put("jobId", job.id.toString());
    result.put("jobDir", jobDir());
    result.put("options", options.given());
    result.put("verify", shape.asOptions(options.flinkOptions()));
    result.put("completed", completed);
    result.put("savepoints", savepoints);
    result.put("end", end);
    result.put("jobStatus", status == null ? null : status.toString());
    result.put("notes", notes);
    result.put("processed", Control.processed.get());
    result.put("startedMs", startedMs);
    result.put("endedMs", System.currentTimeMillis());
    return result;
  }
}
