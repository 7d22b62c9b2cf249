package org.chksweep.flinkjobs;

import java.util.Arrays;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.streaming.runtime.operators.CheckpointCommitter;
import org.apache.flink.streaming.runtime.operators.GenericWriteAheadSink;

/** A write-ahead sink: its pending records lie in taskowned/, in files that only bytes of its own state name. */
public class WriteAheadSink extends GenericWriteAheadSink<Element> {
  private static final long serialVersionUID = 1L;

  private final boolean commit; // without it nothing is ever committed: all pending files stay live
  private final boolean verify;
  private final long seed;
  private final int valueBytes;

  WriteAheadSink(TypeSerializer<Element> serializer, boolean commit, boolean verify, long seed, int valueBytes)
      throws Exception {
    super(new Forgetful(), serializer, "job");
    this.commit = commit;
    this.verify = verify;
    this.seed = seed;
    this.valueBytes = valueBytes;
  }

  @Override
  protected boolean sendValues(Iterable<Element> values, long checkpointId, long timestamp) {
    if (verify) {
      for (Element element : values) {
        if (!Arrays.equals(element.payload, Contents.payload(seed, element.split, element.i, valueBytes))) {
          Control.writeAheadWrong.add("wrong payload: split " + element.split + " element " + element.i);
        }
        Control.writeAheadRecords.incrementAndGet();
      }
    }
    return commit; // a commit deletes the pending file, also one of the job restored from
  }

  /** Never remembers a commit. */
  public static class Forgetful extends CheckpointCommitter {
    private static final long serialVersionUID = 1L;

    @Override
    public void open() {}

    @Override
    public void close() {}

    @Override
    public void createResource() {}

    @Override
    public void commitCheckpoint(int subtask, long checkpointId) {}

    @Override
    public boolean isCheckpointCommitted(int subtask, long checkpointId) {
      return false;
    }
  }
}
