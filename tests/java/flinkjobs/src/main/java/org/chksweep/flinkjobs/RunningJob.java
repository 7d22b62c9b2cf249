package org.chksweep.flinkjobs;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.runtime.checkpoint.AbstractCheckpointStats;
import org.apache.flink.runtime.checkpoint.CheckpointStatsSnapshot;
import org.apache.flink.runtime.checkpoint.CheckpointStatsStatus;
import org.apache.flink.runtime.checkpoint.CompletedCheckpointStats;
import org.apache.flink.runtime.execution.ExecutionState;
import org.apache.flink.runtime.executiongraph.AccessExecutionGraph;
import org.apache.flink.runtime.executiongraph.AccessExecutionVertex;
import org.apache.flink.runtime.executiongraph.ErrorInfo;
import org.apache.flink.runtime.jobgraph.JobGraph;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.runtime.minicluster.RpcServiceSharing;

/** One job on a cluster of its own in this process. */
final class RunningJob {
  final JobID id;
  private final MiniCluster cluster;
  private final long deadline;

  /** Starts the cluster and submits the job; every wait for it ends at its timeout (--timeout-s). */
  RunningJob(Options options, Shape shape, Configuration conf, JobGraph graph) throws Exception {
    deadline = System.currentTimeMillis() + 1000 * options.number("timeout-s", 180);
    int taskManagers = options.integer("task-managers", 1);
    options.refuseOthers();
    id = graph.getJobID();
    cluster = new MiniCluster(new MiniClusterConfiguration.Builder().setConfiguration(conf)
        .setNumTaskManagers(taskManagers).setNumSlotsPerTaskManager(shape.parallelism())
        .setRpcServiceSharing(RpcServiceSharing.SHARED).build());
    cluster.start();
    await(cluster.submitJob(graph));
  }

  /** The value of a future, at the latest when the job's time is over. */
  <T> T await(CompletableFuture<T> future) throws JobFailed, InterruptedException, TimeoutException {
    try {
      return future.get(Math.max(1, deadline - System.currentTimeMillis()), TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      throw new JobFailed("Flink refused", e.getCause());
    }
  }

  /** Throws when the job has ended or its time is over. */
  void check() throws JobFailed, InterruptedException, TimeoutException {
    JobStatus status = await(cluster.getJobStatus(id));
    if (status.isTerminalState()) {
      ErrorInfo failure = await(cluster.getExecutionGraph(id)).getFailureInfo();
      throw new JobFailed("the job is " + status, failure == null ? null : failure.getException());
    }
    if (System.currentTimeMillis() > deadline) {
      throw new TimeoutException("the job is " + status + " and its time is over");
    }
  }

  void awaitRunning() throws Exception {
    while (!allRunning()) {
      check();
      Thread.sleep(10);
    }
  }

  /** After a failure that was caused just now. */
  void awaitRestarted() throws Exception {
    while (allRunning()) {
      check();
      Thread.sleep(5);
    }
    awaitRunning();
  }

  private boolean allRunning() throws Exception {
    AccessExecutionGraph graph = await(cluster.getExecutionGraph(id));
    for (AccessExecutionVertex vertex : graph.getAllExecutionVertices()) {
      if (vertex.getExecutionState() != ExecutionState.RUNNING) {
        return false;
      }
    }
    return graph.getState() == JobStatus.RUNNING;
  }

  /** The external paths of all checkpoints that completed so far, oldest first. */
  List<String> completed() throws Exception {
    List<String> paths = new ArrayList<>();
    CheckpointStatsSnapshot stats = await(cluster.getExecutionGraph(id)).getCheckpointStatsSnapshot();
    if (stats == null) {
      return paths;
    }
    for (AbstractCheckpointStats checkpoint : stats.getHistory().getCheckpoints()) {
      if (checkpoint.getStatus() == CheckpointStatsStatus.COMPLETED && !checkpoint.getProperties().isSavepoint()) {
        paths.add(0, ((CompletedCheckpointStats) checkpoint).getExternalPath());
      }
    }
    return paths;
  }

  CompletableFuture<String> triggerCheckpoint() {
    return cluster.triggerCheckpoint(id);
  }

  String savepoint(String dir, SavepointFormatType format) throws Exception {
    return await(cluster.triggerSavepoint(id, dir, false, format));
  }

  String stopWithSavepoint(String dir, boolean drain, SavepointFormatType format) throws Exception {
    return await(cluster.stopWithSavepoint(id, dir, drain, format));
  }

  void cancel() throws Exception {
    await(cluster.cancelJob(id));
  }

  /** Waits for the job's end. */
  JobStatus status() throws Exception {
    await(cluster.requestJobResult(id));
    return await(cluster.getJobStatus(id));
  }

  /** Ends the cluster; what Flink still had to delete is deleted then. */
  void close() throws Exception {
    cluster.close();
  }
}
