package org.chksweep.flinkjobs;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;

/** Sits unchained behind the keyed operator; holds up or breaks a checkpoint when asked to. */
public class Gate extends RichMapFunction<Element, Element> implements CheckpointedFunction {
  private static final long serialVersionUID = 1L;

  private final long slowUs;
  private final long holdMs; // every checkpoint takes at least this long
  private transient ListState<Long> state;

  Gate(long slowUs, long holdMs) {
    this.slowUs = slowUs;
    this.holdMs = holdMs;
  }

  @Override
  public Element map(Element element) {
    if (slowUs > 0) {
      LockSupport.parkNanos(TimeUnit.MICROSECONDS.toNanos(slowUs));
    }
    return element;
  }

  @Override
  public void initializeState(FunctionInitializationContext context) throws Exception {
    state = context.getOperatorStateStore().getListState(new ListStateDescriptor<>("gate", Types.LONG));
  }

  @Override
  public void snapshotState(FunctionSnapshotContext context) throws Exception {
    state.update(List.of(context.getCheckpointId()));
    Thread.sleep(holdMs);
    Control.Gate order = Control.gate;
    if (order == Control.Gate.OPEN) {
      return;
    }
    Control.gateReachedCheckpoint = context.getCheckpointId();
    if (order == Control.Gate.THROW) {
      Control.gate = Control.Gate.OPEN;
      throw new IOException("this snapshot was asked to fail");
    }
    long until = System.currentTimeMillis() + Control.gateBlockMs;
    while (System.currentTimeMillis() < until && Control.gate == Control.Gate.BLOCK) {
      Thread.sleep(10);
    }
  }
}
