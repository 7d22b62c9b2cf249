package org.chksweep.flinkjobs;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.apache.flink.api.common.state.KeyedStateStore;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** Keeps, per key, a count, a checksum, the last payload, a list and a map; compares them when told to audit. */
public class KeyedState extends KeyedProcessFunction<Long, Element, Element> implements CheckpointedFunction {
  private static final long serialVersionUID = 1L;
  private static final int RECENT = 8;
  private static final int BUCKETS = 5;

  private final long seed;
  private final int keysPerSplit;
  private final int valueBytes;
  private final long slowUs;
  private final boolean timers;

  private transient ValueState<Long> count;
  private transient ValueState<Long> sum;
  private transient ValueState<byte[]> payload;
  private transient ListState<Long> recent;
  private transient MapState<Integer, Long> buckets;

  KeyedState(long seed, int keysPerSplit, int valueBytes, long slowUs, boolean timers) {
    this.seed = seed;
    this.keysPerSplit = keysPerSplit;
    this.valueBytes = valueBytes;
    this.slowUs = slowUs;
    this.timers = timers;
  }

  @Override
  public void snapshotState(FunctionSnapshotContext context) {}

  @Override
  public void initializeState(FunctionInitializationContext context) {
    KeyedStateStore store = context.getKeyedStateStore();
    count = store.getState(new ValueStateDescriptor<>("count", Types.LONG));
    sum = store.getState(new ValueStateDescriptor<>("sum", Types.LONG));
    payload = store.getState(
        new ValueStateDescriptor<>("pay", PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO));
    recent = store.getListState(new ListStateDescriptor<>("recent", Types.LONG));
    buckets = store.getMapState(new MapStateDescriptor<>("buckets", Types.INT, Types.LONG));
  }

  @Override
  public void processElement(Element element, Context context, Collector<Element> out) throws Exception {
    if (element.audit) {
      audit(element);
      return;
    }
    if (Control.throwNow) {
      Control.throwNow = false;
      throw new IllegalStateException("the job was asked to fail");
    }
    if (slowUs > 0) {
      LockSupport.parkNanos(TimeUnit.MICROSECONDS.toNanos(slowUs));
    }
    long before = count.value() == null ? 0 : count.value();
    sum.update(Contents.add(sum.value() == null ? 0 : sum.value(), seed, element.split, element.i));
    payload.update(element.payload);
    if (before % RECENT == 0) {
      recent.clear();
    }
    recent.add(element.i);
    buckets.put((int) (before % BUCKETS), element.i);
    count.update(before + 1);
    if (timers && before == 0) {
      context.timerService().registerProcessingTimeTimer(Long.MAX_VALUE / 2 + element.key);
    }
    Control.processed.incrementAndGet();
    out.collect(element);
  }

  /** Plays the key's history up to the position again and compares. */
  private void audit(Element order) throws Exception {
    Expected expected = new Expected();
    for (long i = order.key - (long) order.split * keysPerSplit; i < order.i; i += keysPerSplit) {
      expected.add(order.split, i);
    }
    byte[] wantPayload = expected.count == 0
        ? null : Contents.payload(seed, order.split, expected.last, valueBytes);
    boolean payloadRight = Arrays.equals(wantPayload, payload.value());
    String want = expected.toString();
    String found = found();
    if (want.equals(found) && payloadRight) {
      if (expected.count > 0) {
        Control.keysWithState.incrementAndGet();
      }
      Control.keysRight.incrementAndGet();
    } else {
      Control.keysWrong.add("key " + order.key + " split " + order.split + " position " + order.i + ": want " + want
          + " got " + found + ", payload " + (payloadRight ? "equal" : "differs"));
    }
  }

  private String found() throws Exception {
    List<Long> list = new ArrayList<>();
    if (recent.get() != null) {
      recent.get().forEach(list::add);
    }
    Map<Integer, Long> map = new TreeMap<>();
    buckets.entries().forEach(entry -> map.put(entry.getKey(), entry.getValue()));
    return text(count.value() == null ? 0 : count.value(), sum.value() == null ? 0 : sum.value(), list, map);
  }

  private static String text(long count, long sum, List<Long> recent, Map<Integer, Long> buckets) {
    return count + "/" + sum + "/" + recent + "/" + buckets;
  }

  /** What a key's state must be after a number of elements. */
  private final class Expected {
    private long count;
    private long sum;
    private long last;
    private final List<Long> recent = new ArrayList<>();
    private final Map<Integer, Long> buckets = new TreeMap<>();

    void add(int split, long i) {
      sum = Contents.add(sum, seed, split, i);
      if (count % RECENT == 0) {
        recent.clear();
      }
      recent.add(i);
      buckets.put((int) (count % BUCKETS), i);
      last = i;
      count++;
    }

    @Override
    public String toString() {
      return text(count, sum, recent, buckets);
    }
  }
}
